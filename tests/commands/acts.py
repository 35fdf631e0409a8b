"""The acts on a project named `app`, as tests ask for them, and how a caller reads their results."""

from pathlib import Path

from app.commands import git as commands
from app.commands.base import Command
from app.commands.giterrors import code_of
from app.commands.gitstatus import Outcome, parse_outcome
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectName, ProjectsRoot
from app.commands.refs import GitRef
from tests.commands.shells import Result
from tests.support.forge import Forge

SCHEMES = ("git",)
NAME = ProjectName("app")
NOBODY = 65534


def make_clone(root: Path, forge: Forge, **options: object) -> Command:
    settings: dict[str, object] = {"job_key": "job-1", "allowed_schemes": SCHEMES, "timeout_seconds": 60, **options}
    return commands.clone(ProjectsRoot(str(root)), NAME, GitUrl.parse(forge.url), **settings)  # type: ignore[arg-type]


def make_pull(root: Path, forge: Forge, **options: object) -> Command:
    settings: dict[str, object] = {"job_key": "job-2", "allowed_schemes": SCHEMES, "timeout_seconds": 60, **options}
    return commands.pull(ProjectsRoot(str(root)), NAME, GitUrl.parse(forge.url), **settings)  # type: ignore[arg-type]


def make_delete(root: Path, **options: object) -> Command:
    return commands.delete(ProjectsRoot(str(root)), NAME, trash_key="job-3", **options)  # type: ignore[arg-type]


def make_status(root: Path) -> Command:
    return commands.status(ProjectsRoot(str(root)), NAME)


def make_checkout(root: Path, ref: str, limit_mib: int = 0) -> Command:
    return commands.checkout(ProjectsRoot(str(root)), NAME, GitRef(ref), limit_mib=limit_mib)


def code(result: Result) -> str | None:
    """As a caller reads it: the envelope's reason, our exit status, git's words."""
    if result.reason != "exit":
        return result.reason
    return None if result.status == 0 else code_of(result.status, result.stderr)


def outcome(result: Result) -> Outcome:
    assert (result.reason, result.status) == ("exit", 0), result.words
    return parse_outcome(result.stdout)


def leftovers(root: Path) -> list[str]:
    """Everything below the projects root but Bareboat's own empty folders."""
    own = {".bareboat", ".bareboat/root", ".bareboat/tmp", ".bareboat/trash"}
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if str(path.relative_to(root)) not in own)
