"""`project run`: a command in a project, as if it ran here: its output on stdout, its exit status ours."""

import codecs
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import click

from app.cli.act import actor, load
from app.cli.projects import on_node, project
from app.cli.show import print_pairs, told
from app.cli.waiting import follow, in_background
from app.errors import Invalid
from app.models import Job, JobState
from app.redaction import printable
from app.schemas.commands import CommandSchema
from app.services import project_commands, projects

# As `timeout`, `docker run` and shells say it.
_TIMED_OUT: Final = 124
_NOT_RUN: Final = 125
_CANCELLED: Final = 130


@project.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("words", metavar="-- PROGRAM [ARGUMENT]…", nargs=-1, required=True, type=click.UNPROCESSED)
@on_node
@click.option("--cwd", metavar="FOLDER", help="Folder below the project.")
@click.option("--env", "variables", metavar="NAME=VALUE", multiple=True, help="May be given several times.")
@click.option("--timeout", "timeout_seconds", type=int, metavar="SECONDS", help="At most JOB_TIMEOUT_SECONDS.")
@click.option("--commit", metavar="SHA", help="Only if this is what is checked out.")
@click.option("--preview", is_flag=True, help="Show what would run, and run nothing.")
def run_command(
    name: str, words: tuple[str, ...], node_name: str | None, variables: Iterable[str], preview: bool, **given: Any
) -> None:
    """Run a program in a project. Its exit status is ours; 124: timed out, 125: not run to its end, 130: cancelled."""
    values = load(CommandSchema(), {**given, "argv": list(words), "env": _pairs(variables)})
    project_id = projects.get_project_by_name(name, node_name).id
    if preview:
        return _show(project_commands.preview_command(project_id, values))
    job_id = project_commands.request_command(project_id, values, actor()).id
    return _finish(job_id)


@dataclass(slots=True)
class _Output:
    """What the command writes, as it comes: bytes into a pipe or a file, harmless text on a terminal."""

    is_terminal: bool
    _offset: int = 0
    _decoder: Any = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def show(self, job: Job) -> None:
        while data := project_commands.read_output(job, self._offset):
            self._offset += len(data)
            click.echo(printable(self._decoder.decode(data)) if self.is_terminal else data, nl=False)

    def end(self) -> None:
        sys.stdout.flush()


def _finish(job_id: int) -> None:
    job = follow(job_id, in_background(job_id), _Output(sys.stdout.isatty()))
    if job.state is JobState.SUCCEEDED:
        return
    if job.error_code != "command_failed":
        said = "\n".join(told(job.error_message, job.error_code))
        click.echo(f"Error: job {job.id} {job.state.value}: {said}", err=True)
    click.get_current_context().exit(_exit_status(job))


def _exit_status(job: Job) -> int:
    if job.error_code == "command_failed" and job.exit_status is not None:
        return job.exit_status
    return {JobState.TIMED_OUT: _TIMED_OUT, JobState.CANCELLED: _CANCELLED}.get(job.state, _NOT_RUN)


def _pairs(variables: Iterable[str]) -> dict[str, str]:
    cut = [text.partition("=") for text in variables]
    if any(not mark for _, mark, _ in cut):
        raise Invalid(errors={"env": ["Must be NAME=VALUE."]})
    return {name: value for name, _, value in cut}


def _show(shown: project_commands.CommandPreview) -> None:
    head = f"{shown.head.sha} {shown.head.subject}" if shown.head else f"unknown ({shown.why_unknown or 'no commit'})"
    print_pairs(
        [
            *((f"word {number}", repr(word)) for number, word in enumerate(shown.argv, 1)),
            *((f"env {name}", repr(value)) for name, value in shown.env.items()),
            ("on", f"{shown.user}@{shown.node}"),
            ("in", shown.path),
            ("at", head),
            ("at most", f"{shown.timeout_seconds} s"),
        ]
    )
