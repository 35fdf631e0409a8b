"""What jobs do with playbooks: all steps in one durable process of the node, and what each has come to.

Whoever dies on our side, the node goes on at the right step; who takes the job up follows on. The recap is read from
the log, where the node's program has put it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.commands import steps as commands
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectName
from app.commands.steps import Step
from app.db import release
from app.errors import ActFailed, ActTimedOut, BareboatError
from app.jobs.context import JobContext, JobOrder
from app.jobs.journal import log_size, read_log
from app.jobs.registry import JobKind
from app.models import Job, JobState, Node, Role
from app.services.act_output import StepsOutput
from app.services.nodes import find_node, get_node
from app.services.playbook_jobs import ensure_may_have, node_steps, project_steps
from app.services.project_acts import act_kind, noting_refusals, settle_command, syncing
from app.services.project_commands import find_head, output_limit
from app.services.projects import get_project
from app.services.runtime import runtime
from app.services.scheduled_playbooks import read_steps
from app.services.steps_client import StepsClient, build_steps_client


def perform_project_playbook(context: JobContext) -> None:
    """The rules are held once more, as they are now. A scheduled own playbook has no steps yet: they are read first."""
    params, project = context.order.params, get_project(context.order.project_id or 0)
    ensure_may_have(project, params)
    steps = project_steps(params["steps"], project) if "steps" in params else None
    client, name, url = build_steps_client(project.node), ProjectName(project.name), GitUrl.parse(project.git_url)
    begins = f"playbook {params['name']} in {project.name} on node {project.node.name}"
    release()
    if log_size(context.order.job_id) == 0:
        head, why_unknown = find_head(client, name, url)
        at = f"at {head.sha}" if head else f"at no known commit: {why_unknown or 'there is none yet'}"
        _say(context, begins, at, *_as_read(params))
    if steps is None:
        params = read_steps(context, find_head(client, name, url)[0])
        steps = project_steps(params["steps"], get_project(context.order.project_id or 0))
        release()
    _run(context, client, name, steps, {"commit": params["commit"]} if "commit" in params else {})


def _as_read(params: Mapping[str, Any]) -> list[str]:
    """Of an own playbook that is not read anew: a retry runs what the first try has read."""
    if "project_id" not in params or "steps" not in params:
        return []
    if "commit" not in params:
        return ["The playbook is as it was read when it was asked for, and not read anew."]
    at = f"at {params['commit'][:12]}" if params["commit"] else "at no known commit"
    return [f"The playbook is as it was read in the working tree {at}, and not read anew."]


def perform_node_playbook(context: JobContext) -> None:
    """In the account's home: the projects root may be what is to be made."""
    params, node = context.order.params, get_node(context.order.node_id or 0)
    steps, begins = node_steps(params["steps"], node), f"playbook {params['name']} on node {node.name}"
    client = home_client(node)
    if log_size(context.order.job_id) == 0:
        _say(context, begins, f"as {node.ssh_user}")
    _run(context, client, None, steps, {})


def home_client(node: Node) -> StepsClient:
    """Whose place is the account's home. Lets the database go, and asks the node where that is."""
    client = build_steps_client(node)
    release()
    return client.at(client.home())


def _say(context: JobContext, *lines: str) -> None:
    context.say(f"{lines[0]}, asked for by {context.order.requested_by}")
    for line in lines[1:]:
        context.say(line)
    context.flush()


def _run(
    context: JobContext, client: StepsClient, name: ProjectName | None, steps: Sequence[Step], known: dict[str, Any]
) -> None:
    """`known` stands beside the recap."""
    mark = _mark(context.key)
    output = StepsOutput(context, pattern=commands.beginning(mark), total=len(steps))
    context.progress("running")
    try:
        client.run_steps(name, steps, context, output, mark, output_limit())
    except ActFailed as error:
        raise _explained(error, _came_to(context, steps, mark, known)) from error
    _came_to(context, steps, mark, known)


def _came_to(context: JobContext, steps: Sequence[Step], mark: str, known: dict[str, Any]) -> list[dict[str, Any]]:
    """Stores the recap, and answers it."""
    context.flush()
    job_id = context.order.job_id
    recap = commands.recap(steps, read_log(job_id, 0, log_size(job_id)), mark)
    context.came_to({"changed": any(step["outcome"] == "changed" for step in recap), "steps": recap} | known)
    return recap


def _explained(error: ActFailed, recap: list[dict[str, Any]]) -> BareboatError:
    """Which step it was."""
    for number, step in enumerate(recap, 1):
        which = f"Step {number} of {len(recap)} ({step['name']})"
        if step["outcome"] == "timed_out":
            return ActTimedOut(message=f"{which} took longer than its limit and was stopped.", exit_status=124)
        if step["outcome"] == "failed" and error.code == "command_failed":
            status = step["exit_status"]
            words = f"{which} ended with exit status {status}."
            details = f"{words}\n{error.output}" if error.output else words
            return ActFailed("step_failed", details, exit_status=status)
    return error


def _mark(key: str) -> str:
    """What only this job's own lines end with; the same whoever follows it."""
    return runtime().vault.derive(f"playbook {key}").hex()[:12]


def _settle_node(job: Job) -> None:
    if job.state is JobState.SUCCEEDED:
        job.exit_status = 0


def _clean_up_home(order: JobOrder) -> None:
    node = find_node(order.node_id or 0)
    if node is not None:
        home_client(node).collect(order.key)


KINDS = (
    act_kind("project.playbook", perform_project_playbook, False, on_started=syncing, on_ended=settle_command),
    JobKind(
        "node.playbook",
        noting_refusals(perform_node_playbook),
        clean_up=_clean_up_home,
        on_ended=_settle_node,
        role=Role.ADMIN,
    ),
)
