"""Playbooks made into jobs: inputs bound, facts filled in, every step held to the rules of commands.

What the jobs do is in playbook_acts.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import current_app

from app.commands.argv import Rules, UserCommand, account_command, user_command
from app.commands.paths import RelativePath
from app.commands.steps import Step
from app.errors import CommandNotAllowed, Invalid
from app.models import Job, Node, Project
from app.playbooks.playbook import bound_inputs, bound_steps
from app.services.nodes import get_node
from app.services.own_playbooks import ensure_own_allowed, get_own_playbook
from app.services.playbooks import get_playbook
from app.services.projects import act_job, ensure_ready, get_cloned_project

_MOST_ID: Final = 2**31 - 1  # as PostgreSQL keeps ids


def run_params(params: Mapping[str, Any], on: str) -> dict[str, Any]:
    """`name` and `inputs`, with all inputs and the `steps` that they make: what is asked for is what is run, whatever
    becomes of the file meanwhile. With `project_id` it is that project's own playbook, which is asked for on its node.
    Raises Invalid under `params` or `inputs`, NotFound, PlaybookInvalid; of an own one also what a look raises."""
    if not isinstance(params.get("name"), str) or not isinstance(params.get("inputs", {}), dict):
        raise Invalid(errors={"params": ["A playbook has its 'name', and 'inputs' by name."]})
    if not params.keys() <= {"name", "inputs", "steps", "project_id"} or not _is_owned_well(params):
        raise Invalid(errors={"params": ["A playbook has 'name' and 'inputs', a project's own also 'project_id'."]})
    owner = {name: params[name] for name in ("project_id",) if name in params}
    playbook = get_own_playbook(owner["project_id"], params["name"]) if owner else get_playbook(params["name"])
    if playbook.on != on:
        raise Invalid(errors={"params": [f"The playbook {playbook.name} is for {playbook.on}s; choose one for {on}s."]})
    inputs = bound_inputs(playbook, params.get("inputs", {}))
    return {"name": playbook.name, "inputs": inputs, "steps": bound_steps(playbook, inputs)} | owner


def project_job(project_id: int, params: Mapping[str, Any]) -> Job:
    """For the caller to queue; it is never tried again by itself. The rules of commands hold for every step."""
    project = get_cloned_project(project_id)
    ensure_may_have(project, params)
    project_steps(params["steps"], project)
    job = act_job("project.playbook", project, dict(params))
    job.max_attempts = 1
    return job


def node_job(node_id: int, params: Mapping[str, Any]) -> Job:
    node = get_node(node_id)
    ensure_ready(node)
    node_steps(params["steps"], node)
    return Job(kind="node.playbook", node_id=node.id, node_name=node.name, params=dict(params), max_attempts=1)


def ensure_may_have(project: Project, params: Mapping[str, Any]) -> None:
    """A project's own playbook runs there only, and while an admin allows it. Raises Invalid, WrongState."""
    owner_id = params.get("project_id")
    if owner_id is None:
        return
    if owner_id != project.id:
        raise Invalid(f"The playbook {params['name']} is project {owner_id}'s own; run it on that project only.")
    ensure_own_allowed(project)


def project_steps(raw: Sequence[Mapping[str, Any]], project: Project) -> list[Step]:
    """Facts filled in, and every step held to the rules of commands in this project."""
    facts = {"project": {"name": project.name, "path": project.path}, "node": _facts(project.node)}
    return [_project_step(number, step, facts, project) for number, step in enumerate(raw, 1)]


def node_steps(raw: Sequence[Mapping[str, Any]], node: Node) -> list[Step]:
    facts = {"node": _facts(node)}
    return [_step(step, account_command(_filled(step, facts), _rules()), step["cwd"]) for step in raw]


def _is_owned_well(params: Mapping[str, Any]) -> bool:
    owner_id = params.get("project_id", 0)
    return isinstance(owner_id, int) and not isinstance(owner_id, bool) and 0 <= owner_id <= _MOST_ID


def _project_step(number: int, step: Mapping[str, Any], facts: Mapping[str, Any], project: Project) -> Step:
    try:
        for path in (step["creates"], *(value for kind, value, _ in step["when"] if kind in ("exists", "missing"))):
            if path is not None:
                RelativePath(path)
        asked = user_command(_filled(step, facts), project.path, _rules())
    except (Invalid, CommandNotAllowed) as error:
        error.message = f"Step {number} ({step['name']}): {error.message}"
        error.errors = {"inputs": [error.message]}
        raise
    return _step(step, asked, asked.cwd)


def _step(step: Mapping[str, Any], asked: UserCommand, cwd: str | None) -> Step:
    return Step(
        name=step["name"],
        argv=asked.argv,
        cwd=cwd,
        environment=asked.environment,
        timeout_seconds=asked.timeout_seconds,
        retries=step["retries"],
        ignore_errors=step["ignore_errors"],
        changes=step["changes"],
        creates=step["creates"],
        when=tuple((kind, value, outcome) for kind, value, outcome in step["when"]),
    )


def _filled(step: Mapping[str, Any], facts: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    return {
        "argv": [_word(word, facts) for word in step["argv"]],
        "cwd": step["cwd"],
        "env": {name: _word(word, facts) for name, word in step["env"].items()},
        "timeout_seconds": min(step["timeout_seconds"] or _longest(), _longest()),
    }


def _word(word: Any, facts: Mapping[str, Mapping[str, str]]) -> str:
    if isinstance(word, str):
        return word
    kind, name = next(iter(word.items()))
    return facts[kind][name]


def _facts(node: Node) -> dict[str, str]:
    return {"name": node.name, "projects_root": node.projects_root, "ssh_user": node.ssh_user}


def _rules() -> Rules:
    return Rules(tuple(current_app.config["ALLOWED_COMMANDS"]), _longest())


def _longest() -> int:
    return int(current_app.config["JOB_TIMEOUT_SECONDS"])
