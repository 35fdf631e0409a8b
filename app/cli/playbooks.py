"""`playbook`: named steps, listed, shown, checked, run on projects or nodes."""

import shlex
from pathlib import Path
from typing import Any

import click

from app.cli.act import Acts, actor, load
from app.cli.projects import on_node, project
from app.cli.runs import conclude, concurrency, max_failures, project_ids, waits
from app.cli.show import as_json, print_json, print_pairs, print_table
from app.errors import Invalid
from app.models import Run
from app.playbooks.playbook import Playbook
from app.plurals import counted
from app.schemas.playbooks import OwnPlaybookRunSchema, PlaybookListSchema, PlaybookRunSchema, PlaybookSchema
from app.services import own_playbooks, playbook_runs, playbooks, projects
from app.services.nodes import get_node_by_name


@click.group(cls=Acts)
def playbook() -> None:
    """Playbooks: named steps in files."""


@playbook.command("list")
@as_json
def list_playbooks(is_json: bool) -> None:
    """What there is in PLAYBOOKS_DIR."""
    rows = playbooks.list_playbooks()
    if is_json:
        return print_json(PlaybookListSchema(many=True).dump(rows))
    return print_table(("NAME", "ON", "DOES"), ((row.name, row.on, row.error or row.description) for row in rows))


@playbook.command("show")
@click.argument("name")
@as_json
def show_playbook(name: str, is_json: bool) -> None:
    """Its inputs and steps."""
    row = playbooks.get_playbook(name)
    if is_json:
        return print_json(PlaybookSchema().dump(row))
    print_pairs([("name", row.name), ("does", row.description), ("on", row.on)])
    print_table(("INPUT", "TYPE", "REQUIRED", "DEFAULT", "MEANS"), _inputs(row))
    return print_table(("STEP", "RUNS"), ((step["name"], " ".join(map(_word, step["run"]))) for step in row.steps))


@playbook.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_playbook(file: Path) -> None:
    """Whether a file is a playbook; else the line, the key, and what to write instead."""
    row = playbooks.check_file(file)
    steps, inputs = counted(len(row.steps), "step"), counted(len(row.inputs), "input")
    click.echo(f"{file.name} is a playbook on {row.on}s: {steps}, {inputs}")


@playbook.command("run")
@click.argument("name")
@click.option("--project", "project_names", multiple=True, metavar="NAME", help="On every node that has it.")
@click.option("--all-on", "node_projects", multiple=True, metavar="NODE", help="All projects of this node.")
@click.option("--node", "node_names", multiple=True, metavar="NODE", help="For a playbook on nodes; with --own, of it.")
@click.option("--own", is_flag=True, help="One that the project has in its .bareboat.")
@click.option("--input", "given", multiple=True, metavar="NAME=VALUE", help="May be given several times.")
@concurrency
@max_failures
@waits
def run_playbook(
    name: str, project_names: tuple[str, ...], node_projects: tuple[str, ...], node_names: tuple[str, ...],
    given: tuple[str, ...], wait: bool, own: bool, **waves: Any,
) -> None:  # fmt: skip
    """Run a playbook on projects, or on nodes."""
    if own:
        return conclude(_begin_own(name, project_names, node_projects, node_names, given), wait)
    row = playbooks.get_playbook(name)
    values: dict[str, Any] = {"inputs": input_values(row, given)} | waves
    if row.is_for_nodes:
        values["node_ids"] = [get_node_by_name(node_name).id for node_name in node_names]
    else:
        values["project_ids"] = project_ids(project_names, node_projects)
    return conclude(playbook_runs.begin(name, load(PlaybookRunSchema(), values), actor()), wait)


@project.command("playbooks")
@click.argument("name")
@on_node
@as_json
def list_own_playbooks(name: str, node_name: str | None, is_json: bool) -> None:
    """What the project has in its .bareboat, as it is on the node now."""
    rows = own_playbooks.list_own_playbooks(projects.get_project_by_name(name, node_name).id)
    if is_json:
        return print_json(PlaybookListSchema(many=True).dump(rows))
    return print_table(("NAME", "DOES"), ((row.name, row.error or row.description) for row in rows))


@project.command("allow-playbooks")
@click.argument("name")
@click.option("--yes/--no", "is_allowed", default=True, show_default=True, help="Whether they may be run.")
@on_node
def allow_own_playbooks(name: str, is_allowed: bool, node_name: str | None) -> None:
    """Let operators run what the project has in its .bareboat, or let them no longer."""
    found = projects.get_project_by_name(name, node_name)
    projects.update_project(found.id, {"allow_own_playbooks": is_allowed}, actor())
    click.echo(f"{name} {'may' if is_allowed else 'may not'} run playbooks of its own")


def input_values(row: Playbook, given: tuple[str, ...]) -> dict[str, Any]:
    """Words as the values that they stand for; what fits no type is refused with the others."""
    values: dict[str, Any] = {}
    for pair in given:
        name, mark, text = pair.partition("=")
        if not mark:
            raise Invalid(f"--input wants NAME=VALUE, not {pair!r}.")
        kind = row.inputs.get(name, {}).get("type")
        is_number = kind == "integer" and text.lstrip("-").isdecimal()
        is_flag = kind == "boolean" and text in ("true", "false")
        values[name] = int(text) if is_number else text == "true" if is_flag else text
    return values


def _begin_own(
    name: str, project_names: tuple[str, ...], node_projects: tuple[str, ...], node_names: tuple[str, ...],
    given: tuple[str, ...],
) -> Run:  # fmt: skip
    if len(project_names) != 1 or node_projects or len(node_names) > 1:
        raise Invalid("--own wants one --project NAME, whose playbook it is, and maybe the --node of that.")
    project_id = projects.get_project_by_name(project_names[0], *node_names).id
    row = own_playbooks.get_own_playbook(project_id, name)
    values = load(OwnPlaybookRunSchema(), {"inputs": input_values(row, given)})
    return playbook_runs.begin_own(project_id, name, values["inputs"], actor())


def _word(word: str | dict[str, str]) -> str:
    """Simple words as they are, others so that a newline in them is seen."""
    if isinstance(word, dict):
        return " ".join(f"{{{kind}: {name}}}" for kind, name in word.items())
    return word if shlex.quote(word) == word else repr(word)


def _inputs(row: Playbook) -> list[tuple[object, ...]]:
    return [
        (name, asked["type"], asked["required"], asked.get("default"), asked.get("description"))
        for name, asked in row.inputs.items()
    ]
