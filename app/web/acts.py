"""What jobs, runs and schedules were asked to do, as people say it."""

import shlex
from typing import Any, Final

from flask import Flask

from app.plurals import counted
from app.services.run_kinds import RUN_KINDS
from app.web.words import KINDS, word

OPTIONS: Final = {"argv": "Command", "cwd": "Folder", "env": "Variables", "timeout_seconds": "Time limit", "ref": "Of"}
STRATEGIES: Final = {
    "ff-only": "fast-forward only",
    "stash": "stash, changes on top",
    "rebase": "rebase, own commits on top",
    "backup": "own commits to a backup branch",
    "reset": "reset to the upstream",
}
_UNTOLD: Final = frozenset({"steps", "name", "inputs", "project_id", "set_id", "from_key_id", "to_key_id"})


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        kind=kind, act=act, option=option, said=said, doing=doing, run_title=run_title, given=given
    )


def kind(code: str) -> str:
    return KINDS.get(code, code)


def act(asked: Any) -> str:
    """What a job or a schedule does; a pull that resets is called so, and a playbook by its name."""
    if asked.kind.endswith(".playbook") and asked.params.get("name"):
        return f"{'Own playbook' if 'project_id' in asked.params else 'Playbook'} {asked.params['name']}"
    if asked.kind == "project.pull" and asked.params.get("strategy") == "reset":
        return "Reset"
    return kind(asked.kind)


def doing(asked: Any) -> str:
    """The act with how it is done: `Pull, fast-forward only`."""
    strategy = asked.params.get("strategy")
    return f"{kind(asked.kind)}, {STRATEGIES.get(strategy, strategy)}" if strategy else act(asked)


def run_title(run: Any) -> str:
    """`git-gc on 3 projects`, `Pull, fast-forward only on 1 project`."""
    known = RUN_KINDS.get(run.kind)
    what = run.params["name"] if run.kind.endswith(".playbook") and "name" in run.params else act(run)
    return f"{what} on {counted(run.size, known.members if known else 'member')}"


def given(asked: Any) -> list[tuple[str, str]]:
    """What else was asked for, by the options' names for people; what `doing` tells is not told again. A command's
    words need no name."""
    shown = [name for name in sorted(asked.params) if name not in _UNTOLD and name != "strategy"]
    told = {name: asked.params[name] for name in shown if asked.params[name] not in (None, {}, [])}
    return [("" if name == "argv" else option(name), _text(name, value)) for name, value in told.items()]


def option(name: str) -> str:
    """The name of an option of a job, for people."""
    return OPTIONS.get(name, word(name))


def said(value: Any, name: str = "") -> Any:
    """A value of a job as people say it."""
    if name == "strategy":
        return STRATEGIES.get(value, value)
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


def _text(name: str, value: Any) -> str:
    if name == "argv":
        return shlex.join(value)
    return ", ".join(value) if name == "env" else str(said(value, name))
