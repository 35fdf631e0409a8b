"""The interactive documentation: Swagger UI, served by us, reading /api/v1/openapi.json."""

from typing import Final

from flask import Blueprint, render_template

from app.api.blueprint import PREFIX

blueprint = Blueprint(
    "api-pages",
    __name__,
    url_prefix=PREFIX,
    template_folder="templates",
    static_folder="static",
    static_url_path="/static",
)
DESCRIPTION: Final = """
Bareboat clones, pulls and watches git projects on machines that it reaches over SSH.

**Who asks**: `Authorization: Bearer TOKEN` with an API token (made on the page *Your API tokens*, or by `flask token
add`); a browser's session works too, with its CSRF token in the header `X-CSRFToken`. Each operation names the role it
needs: *viewer* reads, *operator* also acts on projects, *admin* also nodes, keys, users.

**Work** is answered with 202, a job, and its address in `Location`. Ask there until `state` is `SUCCEEDED`, `FAILED`,
`CANCELLED` or `TIMED_OUT`.

**Lists** take `page` and `page_size` (200 at most); the header `X-Pagination` has the total, as JSON.
In long lists it is the least that there are, and `total_is_exact` is false; follow `next_page` until there is none.

**Refusals** all have one shape: `error` is a stable word for programs, `message` says what to do, `errors` is by field.
422: a value is not allowed. 409: a state is in the way. 502 and 504: the node, not Bareboat.
"""


@blueprint.get("/docs")
def docs() -> str:
    return render_template("api/docs.html")
