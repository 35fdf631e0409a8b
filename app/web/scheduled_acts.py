"""What a schedule is to do, as its form has it: a pull, the line of a command, or a playbook, whose inputs are asked
for once it is chosen. Nothing of it needs a script."""

from dataclasses import dataclass
from typing import Any, Final

from app.errors import BareboatError, Invalid
from app.playbooks.playbook import Listed, Playbook
from app.services import own_playbooks, playbooks
from app.web.commands import with_words
from app.web.forms import Form
from app.web.playbooks import typed_inputs

OWN: Final = "own:"  # before the name of one of the project's own; alone: which are there?


@dataclass(frozen=True, slots=True)
class Picked:
    """What is chosen so far: `playbook`, or why it is none. `own` are those of the project, once they are looked at;
    `is_settled`: there is nothing left to be shown before the schedule is made."""

    playbook: Playbook | None = None
    problem: BareboatError | None = None
    own: tuple[Listed, ...] = ()
    is_settled: bool = True


def pick(project_id: int, form: Form) -> Picked:
    """Looks at the node where one of the project's own is chosen, and only then."""
    name = form.value("playbook")
    if form.value("act") != "playbook" or not name:
        return Picked()
    try:
        if name == OWN:
            found = (row for row in own_playbooks.list_own_playbooks(project_id) if row.error is None)
            return Picked(own=tuple(found), is_settled=False)
        playbook = _read(project_id, name)
    except BareboatError as error:
        return Picked(problem=error)
    own = (Listed(playbook.name, playbook.description, playbook.on),) if name.startswith(OWN) else ()
    return Picked(playbook, own=own, is_settled=not playbook.inputs or form.value("inputs_of") == name)


def shipped_playbooks() -> list[Listed]:
    """Those that a schedule may have: it acts on its project."""
    return [row for row in playbooks.list_playbooks() if row.on == "project"]


def act_values(typed: dict[str, Any], picked: Picked, project_id: int) -> dict[str, Any]:
    """`typed` with the chosen act as `kind` and `params`; where none is, the command of the line, or without one the
    pull. Raises Invalid naming the field."""
    act = typed.pop("act", "command" if "line" in typed else "pull")
    line, name = typed.pop("line", None), typed.pop("playbook", None)
    typed.pop("inputs_of", None)
    if act == "pull":
        return typed
    if act == "playbook":
        return typed | {"kind": "project.playbook", "params": _playbook_params(name, picked, project_id)}
    if line is None:
        raise Invalid(errors={"line": ["This act needs it."]})
    return typed | {"kind": "project.command", "params": with_words({"line": line})}


def at_the_fields(error: BareboatError, form: Form) -> BareboatError:
    """What is wrong with the parameters, said where the chosen act has them in the form; an input says it itself."""
    field = "playbook" if form.value("act") == "playbook" else "line" if form.value("line").strip() else "params"
    about = error.errors.pop("params", None)
    if about is not None and "inputs" not in error.errors:
        error.errors[field] = about
    return error


def _read(project_id: int, name: str) -> Playbook:
    if name.startswith(OWN):
        return own_playbooks.get_own_playbook(project_id, name.removeprefix(OWN))
    return playbooks.get_playbook(name)


def _playbook_params(name: str | None, picked: Picked, project_id: int) -> dict[str, Any]:
    if name is None:
        raise Invalid(errors={"playbook": ["Choose one."]})
    if picked.playbook is None:
        why = picked.problem.message if picked.problem else "Choose one."
        raise Invalid(why, errors={"playbook": [why]}) from picked.problem
    owner = {"project_id": project_id} if name.startswith(OWN) else {}
    return {"name": picked.playbook.name, "inputs": typed_inputs(picked.playbook.inputs)} | owner
