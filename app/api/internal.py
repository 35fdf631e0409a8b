"""What scripts on nodes may say, with their node's token."""

from typing import Any

from flask import request

from app.api.blueprint import Blueprint
from app.schemas.projects import ProjectSchema, ReportSchema
from app.services import project_reports

blueprint = Blueprint("internal", "/internal", "For scripts on nodes, with their node's token.")


@blueprint.post("/projects/<id:project_id>/status")
@blueprint.arguments(ReportSchema)
@blueprint.response(200, ProjectSchema)
@blueprint.alt_response(403, response="FORBIDDEN")
@blueprint.alt_response(404, response="NOT_FOUND")
@blueprint.alt_response(409, response="CONFLICT")
@blueprint.doc(operationId="report_project_status", security=[{"node_token": []}])
def report_project_status(values: dict[str, Any], project_id: int) -> Any:
    """Report a project's status from its node

    `Authorization: Bearer` with the *node token* of the project's node. From `ACTIVE` or `ERROR` to one of the two, and
    not while a job is changing the project.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    node_token = token.strip() if scheme.lower() == "bearer" else ""
    return project_reports.report_status(project_id, node_token, values["status"], values["message"])
