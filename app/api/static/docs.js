"use strict";
// Somebody who is logged in may try things out: the session counts, together with its CSRF token.
const place = document.getElementById("docs");
const csrfToken = document.querySelector('meta[name="csrf-token"]').content;

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.openapi,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (csrfToken && !request.headers.Authorization) request.headers["X-CSRFToken"] = csrfToken;
    return request;
  },
});
