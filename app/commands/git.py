"""What is done to projects with git on a node: builders of Commands. What they print is read in `gitstatus.py`.

Exit statuses of 70 and above are ours (`programs.REFUSALS`) and their reasons are on stderr, a line each: names of
files, commits, configuration keys. Any other status is git's own: see `giterrors.py`.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

from app.commands.base import Command, Place
from app.commands.gitaccess import NO_ACCESS, GitAccess
from app.commands.gitenv import git_environment
from app.commands.giturl import GitUrl
from app.commands.paths import JobKey, ProjectName, ProjectsRoot
from app.commands.programs import REFUSALS, load_program
from app.commands.refs import GitRef
from app.secrets import Secret

Strategy = Literal["ff-only", "stash", "rebase", "backup", "reset"]
STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)
STATUS_LIMIT_BYTES: Final = 512 * 1024

_CLONE: Final = load_program("pwd", "folders", "git", "size", "clone")
_PULL: Final = load_program("pwd", "folders", "git", "size", "way", "recovery", "pull")
_STATUS: Final = load_program("pwd", "folders", "git", "status")
_HEAD: Final = load_program("pwd", "folders", "git", "head")
_CHECKOUT: Final = load_program("pwd", "folders", "git", "size", "way", "checkout")
_DELETE: Final = load_program("pwd", "folders", "git", "trash", "delete")
_RESOLVE: Final = load_program("resolve")
_REFUSALS_OF_DELETE: Final = MappingProxyType({**REFUSALS, 79: "work_unpushed"})  # changes, too, exist only there


def clone(
    root: ProjectsRoot,
    name: ProjectName,
    url: GitUrl,
    *,
    branch: GitRef | None = None,
    depth: int | None = None,
    submodules: bool = False,
    is_marked: bool = False,
    job_key: str,
    allowed_schemes: Iterable[str],
    pinned_address: str | None = None,
    access: GitAccess = NO_ACCESS,
    limit_mib: int = 0,
    timeout_seconds: int = 3600,
) -> Command:
    """Clones into `.bareboat/tmp/JOB_KEY`, then one rename; whatever fails or ends it, that folder is removed.

    It takes `limit_mib` at most, working tree and submodules included (0: no limit); see `programs/size.sh`.
    Prints an outcome (`gitstatus.parse_outcome`) on stdout, progress on stderr. `branch` may be a tag. It marks the
    root with a file; `is_marked`: that must be there, or the root is another one (no mount?) and stays as it is.
    """
    words = (str(depth) if depth else "", "1" if submodules else "", "1" if is_marked else "")
    environment = git_environment(
        root, url=url, allowed_schemes=allowed_schemes, pinned_address=pinned_address, access=access, job_key=job_key
    )
    arguments = (root, name, JobKey(job_key), url.text, branch or "", *words)
    return _command(_CLONE, arguments, environment | _limit(limit_mib), Place(root), timeout_seconds)


def pull(
    root: ProjectsRoot,
    name: ProjectName,
    url: GitUrl,
    *,
    branch: GitRef | None = None,
    strategy: Strategy = "ff-only",
    job_key: str,
    allowed_schemes: Iterable[str],
    pinned_address: str | None = None,
    access: GitAccess = NO_ACCESS,
    limit_mib: int = 0,
    timeout_seconds: int = 3600,
) -> Command:
    """Fetches, then moves the branch that is checked out to its own upstream at origin.

    What it fetches, and what it writes into the tree, is `limit_mib` each at most (0: no limit).
    `branch` is followed only where the branch of that name names no upstream itself. All but
    `ff-only` take a snapshot before they change something, and name its recovery ref in the outcome.
    """
    environment = git_environment(
        root, url=url, allowed_schemes=allowed_schemes, pinned_address=pinned_address, access=access, job_key=job_key
    )
    arguments = (url.text, branch or "", strategy, JobKey(job_key))
    return _command(_PULL, arguments, environment | _limit(limit_mib), Place(root, name), timeout_seconds)


def status(root: ProjectsRoot, name: ProjectName, *, url: GitUrl | None = None, timeout_seconds: int = 20) -> Command:
    """Head and changes in one round trip, without a lock; read by `gitstatus.parse_status`."""
    environment = {**git_environment(root), "GIT_OPTIONAL_LOCKS": "0"}
    arguments = (url.text if url else "", str(STATUS_LIMIT_BYTES))
    return _command(_STATUS, arguments, environment, Place(root, name), timeout_seconds)


def head(root: ProjectsRoot, name: ProjectName, *, url: GitUrl | None = None, timeout_seconds: int = 20) -> Command:
    """The commit that is checked out, and nothing of the tree; read by `gitstatus.parse_head`."""
    environment = git_environment(root)
    return _command(_HEAD, (url.text if url else "",), environment, Place(root, name), timeout_seconds)


def checkout(
    root: ProjectsRoot,
    name: ProjectName,
    ref: GitRef,
    *,
    url: GitUrl | None = None,
    limit_mib: int = 0,
    timeout_seconds: int = 600,
) -> Command:
    """A local branch, else one of origin's (made here, following it), else a tag or a commit (detached). No fetch; what
    it writes is `limit_mib` at most (0: no limit)."""
    environment = git_environment(root) | _limit(limit_mib)
    arguments = (url.text if url else "", ref)
    return _command(_CHECKOUT, arguments, environment, Place(root, name), timeout_seconds)


def delete(
    root: ProjectsRoot,
    name: ProjectName,
    *,
    force: bool = False,
    keep: bool = False,
    trash_key: str,
    job_key: str | None = None,
    url: GitUrl | None = None,
    allowed_schemes: Iterable[str] = (),
    pinned_address: str | None = None,
    access: GitAccess = NO_ACCESS,
    timeout_seconds: int = 1800,
) -> Command:
    """Without `force`, a look at the work comes first, and origin is asked what it has (only where `url` is given).

    Prints `missing` (nothing was there), `kept` (in `.bareboat/trash/TRASH_KEY`), `deleted`, or `trashed`: gone from
    its place, but some of its files belong to others and are left in the trash.
    """
    environment = git_environment(
        root, url=url, allowed_schemes=allowed_schemes, pinned_address=pinned_address, access=access, job_key=job_key
    )
    flags = ("1" if force else "", "1" if keep else "")
    arguments = (root, name, JobKey(trash_key), url.text if url else "", *flags)
    return _command(_DELETE, arguments, environment, Place(root), timeout_seconds, _REFUSALS_OF_DELETE)


def resolve(host: str, *, timeout_seconds: int = 15) -> Command:
    """Asks the node for the addresses of `host` (a GitUrl's); read by `parse_addresses`."""
    return Command(
        program=_RESOLVE,
        arguments=(host,),
        timeout_seconds=timeout_seconds,
        refusals=MappingProxyType({85: REFUSALS[85]}),
    )


def parse_addresses(output: bytes) -> tuple[str, ...]:
    """The addresses, each once, in the node's order. Words that are no address are kept: they are denied, later."""
    lines = output.decode("utf-8", "replace").splitlines()
    return tuple(dict.fromkeys(line.split()[0][:64] for line in lines if line.strip()))


def _limit(mib: int) -> dict[str, str | Secret]:
    return {"BAREBOAT_LIMIT_KIB": str(mib * 1024)}


def _command(
    program: str,
    arguments: tuple[str, ...],
    environment: Mapping[str, str | Secret],
    place: Place,
    timeout_seconds: int,
    refusals: Mapping[int, str] = REFUSALS,
) -> Command:
    return Command(
        program=program,
        arguments=arguments,
        environment=environment,
        place=place,
        timeout_seconds=timeout_seconds,
        refusals=refusals,
    )
