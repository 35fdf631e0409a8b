"""Commands of users in projects: asked for, shown beforehand, found again in the job's log. Run in project_acts.py."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import current_app

from app.commands.argv import Rules, UserCommand, user_command
from app.commands.gitstatus import Head
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectName
from app.db import release
from app.errors import ActFailed
from app.jobs.journal import read_log
from app.models import Job, Project
from app.redaction import printable
from app.services import jobs
from app.services.events import Actor
from app.services.projects import act_job, ensure_ready, get_cloned_project
from app.services.targets import build_worker_client
from app.services.worker_client import WorkerClient

PREAMBLE_LINES: Final = 3
# Room in a log for our own lines, so that it is the node that ends what is too long, and not the log.
OWN_BYTES: Final = 32 * 1024
OUTPUT_READ_BYTES: Final = 1024 * 1024
_LINE_CHARACTERS: Final = 2000
# Why git is not asked for the commit: nothing that keeps a command from running, which may be the one that mends it.
_UNKNOWN_COMMIT: Final = frozenset(
    {"config_tampered", "git_missing", "repository_unsafe", "repository_broken", "git_failed"}
)


@dataclass(frozen=True, slots=True)
class CommandPreview:
    """What would run: as `user` on `node`, in the folder `path`, at `head`; None: no commit, or `why_unknown`."""

    command: UserCommand
    node: str
    user: str
    path: str
    head: Head | None
    why_unknown: str | None

    @property
    def argv(self) -> tuple[str, ...]:
        return self.command.argv

    @property
    def env(self) -> Mapping[str, str]:
        return self.command.environment

    @property
    def timeout_seconds(self) -> int:
        return self.command.timeout_seconds


def request_command(project_id: int, values: Mapping[str, Any], actor: Actor) -> Job:
    """`values`: `argv`, and maybe `cwd env timeout_seconds`, and `commit`, at which alone it is to run.

    Raises Invalid or CommandNotAllowed, naming field and rule.
    """
    return jobs.enqueue(command_job(project_id, values), actor)


def command_job(project_id: int, values: Mapping[str, Any]) -> Job:
    """The job of a command, for the caller to queue; it is never tried again by itself."""
    project = get_cloned_project(project_id)
    asked = checked(values, project)
    params = {
        "argv": list(asked.argv),
        "cwd": asked.cwd,
        "env": dict(asked.environment),
        "timeout_seconds": asked.timeout_seconds,
        "commit": values.get("commit"),
    }
    job = act_job("project.command", project, params)
    job.max_attempts = 1
    return job


def preview_command(project_id: int, values: Mapping[str, Any]) -> CommandPreview:
    """Asks the node for its commit, and changes nothing. Raises what `request_command` raises, and NodeError."""
    project = get_cloned_project(project_id)
    asked, node = checked(values, project), project.node
    ensure_ready(node)
    client, name, url = build_worker_client(node), ProjectName(project.name), GitUrl.parse(project.git_url)
    path = f"{project.path}/{asked.cwd}" if asked.cwd else project.path
    node_name, user = node.name, node.ssh_user
    release()
    head, why_unknown = find_head(client, name, url)
    return CommandPreview(asked, node_name, user, path, head, why_unknown)


def checked(values: Mapping[str, Any], project: Project) -> UserCommand:
    """Held to the rules of this installation: when it is asked for, and again when it is run."""
    config = current_app.config
    return user_command(values, project.path, Rules(tuple(config["ALLOWED_COMMANDS"]), config["JOB_TIMEOUT_SECONDS"]))


def output_limit() -> int:
    """How many bytes a command may write."""
    return max(OWN_BYTES, int(current_app.config["JOB_LOG_LIMIT_BYTES"]) - OWN_BYTES)


def find_head(client: WorkerClient, name: ProjectName, url: GitUrl) -> tuple[Head | None, str | None]:
    """The commit, or why git cannot be asked for it."""
    try:
        return client.project_head(name, url), None
    except ActFailed as error:
        if error.code not in _UNKNOWN_COMMIT:
            raise
        return None, error.code


def preamble(
    begins: str, asked: UserCommand, client: WorkerClient, name: ProjectName, url: GitUrl, commit: str | None
) -> bytes:
    """PREAMBLE_LINES lines for the log: who, at which commit, what. Raises ActFailed `commit_moved`."""
    head, why_unknown = find_head(client, name, url)
    if commit and (head is None or head.sha != commit):
        raise ActFailed("commit_moved", output=head.sha if head else "")
    at = f"at {head.sha} {head.subject}" if head else f"at no known commit: {why_unknown or 'there is none yet'}"
    folder = f"in {asked.cwd}: " if asked.cwd else ""
    lines = (begins, at, f"{folder}$ {shlex.join(asked.argv)}")
    return "".join(f"{_one_line(line)}\n" for line in lines).encode(errors="backslashreplace")


def read_output(job: Job, offset: int) -> bytes:
    """What the command of this job has written, from `offset` of it on, without our own lines; a megabyte at most."""
    begin = _output_begin(job.id)
    length = min(job.log_offset - offset, OUTPUT_READ_BYTES)
    return read_log(job.id, begin + offset, length) if begin is not None and length > 0 else b""


def _output_begin(job_id: int) -> int | None:
    """Behind our own lines; None while they are not there."""
    beginning, position = read_log(job_id, 0, OWN_BYTES), 0
    for _ in range(PREAMBLE_LINES):
        position = beginning.find(b"\n", position) + 1
        if position == 0:
            return None
    return position


def _one_line(text: str) -> str:
    return printable(text.replace("\r", "\\r").replace("\n", "\\n"), _LINE_CHARACTERS)
