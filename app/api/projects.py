"""Projects: git working trees on nodes. What changes one is a job."""

from typing import Any

from app.api.answers import JOB_LOCATION, QUEUED, queued
from app.api.blueprint import Blueprint
from app.edge.identity import actor
from app.schemas.jobs import JobSchema
from app.schemas.projects import (
    CheckoutSchema,
    CloneSchema,
    DeleteQuery,
    ProjectQuery,
    ProjectSchema,
    ProjectUpdateSchema,
    PullSchema,
    WorkingTreeSchema,
)
from app.services import projects

blueprint = Blueprint("projects", "/projects", "Git working trees on nodes. What changes one is a job.")


@blueprint.post("/clone")
@blueprint.guard("operator", 409)
@blueprint.arguments(
    CloneSchema,
    examples={
        "short": {"value": {"name": "shop", "git_url": "https://git.example.com/shop/web.git", "node_id": 1}},
        "branch": {
            "value": {
                "name": "shop-next",
                "git_url": "https://git.example.com/shop/web.git",
                "node_id": 1,
                "branch": "next",
                "depth": 1,
            }
        },
    },
)
@blueprint.response(202, JobSchema, description=QUEUED, headers=JOB_LOCATION)
def clone_project(values: dict[str, Any]) -> Any:
    """Clone a repository to a node

    409 `node_offline`, `host_key_unpinned`, `node_cordoned`, `key_missing` or `name_taken`: nothing is stored then.
    """
    return queued(projects.request_clone(values, actor()))


@blueprint.get("")
@blueprint.guard("viewer")
@blueprint.lists(ProjectSchema, ProjectQuery)
def list_projects(**query: Any) -> Any:
    """List projects

    Sortable by `id name status created_at last_synced_at`; by name unless told otherwise.
    """
    return projects.list_projects(**query)


@blueprint.get("/<id:project_id>")
@blueprint.guard("viewer", 404)
@blueprint.response(200, ProjectSchema)
def get_project(project_id: int) -> Any:
    """Show a project"""
    return projects.get_project(project_id)


@blueprint.patch("/<id:project_id>")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(ProjectUpdateSchema)
@blueprint.response(200, ProjectSchema)
def update_project(values: dict[str, Any], project_id: int) -> Any:
    """Mend a project whose clone failed

    Then retry the clone's job. 409 `wrong_state` once the project is on its node; `git_credential_id` may change then,
    too, and counts from the next pull on. So may `allow_own_playbooks`, which needs the role admin.
    """
    return projects.update_project(project_id, values, actor())


@blueprint.delete("/<id:project_id>")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(DeleteQuery, location="query")
@blueprint.response(202, JobSchema, description=QUEUED, headers=JOB_LOCATION)
def delete_project(query: dict[str, bool], project_id: int) -> Any:
    """Delete a project, here and on its node

    The job refuses (`work_unpushed`) where work exists only there, unless `force=true`. What was never cloned, or with
    `forget=true`, loses its entry here only.
    """
    return queued(projects.request_delete(project_id, query["force"], actor(), forget=query["forget"]))


@blueprint.post("/<id:project_id>/pull")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(PullSchema, required=False)
@blueprint.response(202, JobSchema, description=QUEUED, headers=JOB_LOCATION)
def pull_project(values: dict[str, str], project_id: int) -> Any:
    """Pull

    `ff-only` changes nothing when the branch has diverged or files are in the way. `stash` takes changes along on top,
    `rebase` makes local commits anew on top, `backup` leaves them on a branch, `reset` only in the recovery that all
    of these keep.
    """
    return queued(projects.request_pull(project_id, values["strategy"], actor()))


@blueprint.post("/<id:project_id>/checkout")
@blueprint.guard("operator", 404, 409)
@blueprint.arguments(CheckoutSchema)
@blueprint.response(202, JobSchema, description=QUEUED, headers=JOB_LOCATION)
def checkout_project(values: dict[str, str], project_id: int) -> Any:
    """Check out a branch, tag or commit"""
    return queued(projects.request_checkout(project_id, values["ref"], actor()))


@blueprint.get("/<id:project_id>/status")
@blueprint.guard("viewer", 404, 409, 502, 504)
@blueprint.response(200, WorkingTreeSchema)
def get_project_status(project_id: int) -> Any:
    """Show the working tree as it is now

    Asked over SSH at this moment; nothing is fetched, so `behind` is as of the last pull.
    """
    return projects.read_status(project_id)
