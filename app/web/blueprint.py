"""The blueprint on which every page hangs."""

from flask import Blueprint

# `<id:…>` in its addresses is the converter that app.api registers: 1 to 2**31-1, one spelling each.
web = Blueprint("web", "app.web", template_folder="templates", static_folder="static", static_url_path="/assets")
