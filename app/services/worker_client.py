"""WorkerClient: what can be done to projects on one node. It puts commands and ssh together and knows no rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from app.commands import argv, durable, git, recovery, trash
from app.commands.argv import UserCommand
from app.commands.base import Command
from app.commands.durable import Limits, Offsets, Orphan
from app.commands.gitstatus import Head, Outcome, ProjectStatus, parse_head, parse_outcome, parse_status
from app.commands.giturl import GitUrl, ensure_address_allowed
from app.commands.paths import ProjectName, ProjectsRoot
from app.commands.probe import Facts, facts, parse_facts
from app.commands.refs import GitRef
from app.errors import ActFailed, Invalid
from app.secrets import Secret
from app.services.act_output import Act, GitOutput, RawOutput
from app.services.act_results import ensure_succeeded, naming_limit
from app.services.git_access import NOBODY, Access, ensure_host_known
from app.ssh.durable import run_durable, stop_durable
from app.ssh.target import Target
from app.ssh.watch import Nodes, Result, Runs, Watch

HEAD_SECONDS: Final = 120
RECONNECT_SECONDS: Final = 20.0  # a node that stays away longer frees the job's thread; the process goes on


@dataclass(frozen=True, slots=True)
class GitPolicy:
    """What git on a node may speak to, and how much it may write there in one act (0: as much as there is room)."""

    schemes: tuple[str, ...]
    denied_networks: tuple[str, ...]
    limit_mib: int = 0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "GitPolicy":
        schemes, denied = tuple(config["ALLOWED_GIT_SCHEMES"]), tuple(config["DENIED_NETWORKS"])
        return cls(schemes, denied, config["MAX_REPOSITORY_MIB"])


@dataclass(frozen=True, slots=True)
class CloneOrder:
    name: ProjectName
    url: GitUrl
    branch: GitRef | None = None
    depth: int | None = None
    submodules: bool = False
    is_root_marked: bool = False
    access: Access = NOBODY


@dataclass(frozen=True, slots=True)
class DeleteOrder:
    """`trash_key` names it in the trash: the same for every try of one job. `keep`: it stays there."""

    name: ProjectName
    url: GitUrl
    trash_key: str
    force: bool = False
    keep: bool = False
    access: Access = NOBODY


class WorkerClient:
    """Every method speaks to the node and raises NodeError or ActFailed; `timeout_seconds` bounds each act there."""

    def __init__(
        self, nodes: Nodes, target: Target, root: ProjectsRoot, policy: GitPolicy, timeout_seconds: int
    ) -> None:
        self._nodes, self._target, self._root = nodes, target, root
        self._policy, self._timeout_seconds = policy, timeout_seconds

    def clone_project(self, order: CloneOrder, act: Act) -> Outcome:
        """Clone into the projects root; afterwards it is there whole, or not at all."""
        _ensure_known(order.access, order.url, act)
        command = git.clone(
            self._root,
            order.name,
            order.url,
            branch=order.branch,
            depth=order.depth,
            submodules=order.submodules,
            is_marked=order.is_root_marked,
            job_key=act.key,
            allowed_schemes=self._policy.schemes,
            pinned_address=self._checked_address(order.url),
            access=order.access.git,
            limit_mib=self._policy.limit_mib,
            timeout_seconds=self._timeout_seconds,
        )
        with naming_limit(order.name, self._target, self._policy.limit_mib):
            result = self._perform_with(order.access, order.url, command, act, submodules=order.submodules)
        return parse_outcome(result.stdout)

    def pull_project(
        self,
        name: ProjectName,
        url: GitUrl,
        branch: GitRef | None,
        strategy: git.Strategy,
        act: Act,
        access: Access = NOBODY,
    ) -> Outcome:
        """Fetch, then move to the upstream; all but `ff-only` keep a recovery ref. A refusal changes nothing."""
        _ensure_known(access, url, act)
        command = git.pull(
            self._root,
            name,
            url,
            branch=branch,
            strategy=strategy,
            job_key=act.key,
            allowed_schemes=self._policy.schemes,
            pinned_address=self._checked_address(url),
            access=access.git,
            limit_mib=self._policy.limit_mib,
            timeout_seconds=self._timeout_seconds,
        )
        with naming_limit(name, self._target, self._policy.limit_mib):
            return parse_outcome(self._perform_with(access, url, command, act).stdout)

    def checkout_project(self, name: ProjectName, url: GitUrl, ref: GitRef, act: Act) -> Outcome:
        limit, seconds = self._policy.limit_mib, self._timeout_seconds
        command = git.checkout(self._root, name, ref, url=url, limit_mib=limit, timeout_seconds=seconds)
        with naming_limit(name, self._target, limit):
            return parse_outcome(self._perform(command, act).stdout)

    def undo_project(self, name: ProjectName, url: GitUrl, key: str, act: Act) -> Outcome:
        """Back to what a recovery ref has; what is there now is kept by another one."""
        seconds = self._timeout_seconds
        command = recovery.undo(self._root, name, url, key, job_key=act.key, timeout_seconds=seconds)
        return parse_outcome(self._perform(command, act).stdout)

    def drop_recovery(self, name: ProjectName, url: GitUrl, key: str) -> None:
        """Give up a recovery ref; done before is done."""
        command = recovery.drop(self._root, name, url, key)
        ensure_succeeded(self._nodes.run(self._target, command), command)

    def delete_project(self, order: DeleteOrder, act: Act) -> str:
        """`missing` (there was nothing), `kept` in the trash, `deleted`, or `trashed` (some files could not be removed
        from the trash). Without `force`, the git server is asked what it has; one that cannot be asked refuses."""
        schemes, address = ((), None) if order.force or act.is_attached else self._reach(order)
        command = git.delete(
            self._root,
            order.name,
            force=order.force,
            keep=order.keep,
            trash_key=order.trash_key,
            job_key=act.key,
            url=order.url,
            allowed_schemes=schemes,
            pinned_address=address,
            access=order.access.git,
            timeout_seconds=self._timeout_seconds,
        )
        result = self._perform_with(order.access, order.url, command, act)
        return result.stdout.decode("ascii", "replace").strip()

    def restore_project(self, name: ProjectName, trash_key: str, act: Act) -> None:
        """Out of the trash, into its place, as it was."""
        self._perform(trash.restore(self._root, name, trash_key), act)

    def find_folder(self, name: ProjectName, trash_key: str) -> str:
        """In its `place`, in the `trash`, in `both`, or `neither`."""
        return self._read(trash.where(self._root, name, trash_key)).decode("ascii", "replace").strip()

    def purge_trash(self, trash_key: str, act: Act) -> None:
        """Removed from the trash for good."""
        self._perform(trash.purge(self._root, trash_key, timeout_seconds=self._timeout_seconds), act)

    def project_status(self, name: ProjectName, url: GitUrl) -> ProjectStatus:
        """The working tree as it is now; reads only, takes no lock."""
        return parse_status(self._read(git.status(self._root, name, url=url, timeout_seconds=self._timeout_seconds)))

    def project_head(self, name: ProjectName, url: GitUrl) -> Head | None:
        """The commit that is checked out now; None before the first one."""
        command = git.head(self._root, name, url=url, timeout_seconds=min(self._timeout_seconds, HEAD_SECONDS))
        return parse_head(self._read(command))

    def run_command(self, name: ProjectName, asked: UserCommand, act: Act, output_bytes: int) -> None:
        """A user's command in the project; what it writes, up to so many bytes, is in the act's log as it comes."""
        command, output = argv.run(self._root, name, asked, act.key), RawOutput(act)
        limits, offsets = Limits(output_bytes, merge=True), Offsets(out=act.log_offset)
        result = self._follow(command, act, output, limits, offsets)
        output.finish(result)
        if argv.is_refusal(result.exit_status, result.stdout, act.key):
            raise ActFailed("path_escape", result.stdout.decode("utf-8", "replace").strip(), output="")
        ensure_succeeded(result, command, output.last_lines)

    @property
    def is_connected(self) -> bool:
        return self._nodes.age(self._target) is not None

    def probe(self, *, is_fresh: bool = False, only_changing: bool = False) -> tuple[float, Facts]:
        """Seconds of one round trip, and the node's facts. `is_fresh`: over a connection that is opened for it, since
        an old one says nothing about whether the node takes new ones."""
        if is_fresh:
            self._nodes.renew(self._target)
        latency = self._nodes.ping(self._target)
        result = self._nodes.read(self._target, facts(self._root, only_changing=only_changing))
        return latency, parse_facts(result.stdout, only_changing=only_changing)

    def list_processes(self) -> tuple[Orphan, ...]:
        """What processes of jobs, of whatever installation, have a folder on the node."""
        command = durable.orphans(self._root)
        result = self._nodes.run(self._target, command)
        ensure_succeeded(result, command)
        return durable.parse_orphans(result.stdout)

    def stop(self, key: str) -> None:
        """End a process and prove it. Raises StopUnconfirmed."""
        stop_durable(self._nodes, self._target, self._root, key)

    def collect(self, key: str) -> None:
        """Remove what a process has left on the node; for when its outcome is stored."""
        command = durable.collect(self._root, key)
        ensure_succeeded(self._nodes.run(self._target, command), command)

    def _read(self, command: Command) -> bytes:
        result = self._nodes.read(self._target, command)
        ensure_succeeded(result, command)
        return result.stdout

    def _perform_with(
        self, access: Access, url: GitUrl, command: Command, act: Act, *, submodules: bool = False
    ) -> Result:
        """With an SSH key: over a connection of the act's own, since all sessions of one could ask its agent."""
        agent = access.make_agent(submodules=submodules)
        try:
            if agent is None:
                return self._perform(command, act, access.secrets)
            with self._nodes.private(self._target, agent) as line:
                return self._perform(command, act, line=line)
        except ActFailed as error:
            raise access.explained(error, url) from error

    def _perform(
        self, command: Command, act: Act, secrets: tuple[Secret, ...] = (), line: Runs | None = None
    ) -> Result:
        output = GitOutput(act, secrets)
        result = self._follow(command, act, output, Limits(), Offsets(), line)
        output.finish()
        ensure_succeeded(result, command, output.tail)
        return result

    def _follow(
        self,
        command: Command,
        act: Act,
        output: GitOutput | RawOutput,
        limits: Limits,
        offsets: Offsets,
        line: Runs | None = None,
    ) -> Result:
        return run_durable(
            line or self._nodes,
            self._target,
            self._root,
            act.key,
            replace(command, note=act.note),
            Watch(output.read, act.is_cancelled),
            limits=limits,
            offsets=offsets,
            is_attached=act.is_attached,
            on_attached=output.begin,
            on_offsets=output.take,
            reconnect_seconds=RECONNECT_SECONDS,
        )

    def _reach(self, order: DeleteOrder) -> tuple[tuple[str, ...], str | None]:
        """Allowed schemes and address for a look at the git server; none where it may not, or cannot, be spoken to."""
        try:
            ensure_host_known(order.access, order.url)
            return self._policy.schemes, self._checked_address(order.url)
        except (ActFailed, Invalid):
            return (), None

    def _checked_address(self, url: GitUrl) -> str | None:
        """The address that git is to use, once every address that the node finds for the name is allowed.

        The node resolves the name itself, so it is asked; git is then pinned to the answer, so that it cannot change.
        """
        if url.address is not None or not self._policy.denied_networks:
            return None
        addresses = git.parse_addresses(self._read(git.resolve(url.host)))
        if not addresses:
            raise ActFailed("git_unreachable", f"The node cannot resolve {url.host}; check the address, and its DNS.")
        for address in addresses:
            ensure_address_allowed(address, self._policy.denied_networks)
        return addresses[0]


def _ensure_known(access: Access, url: GitUrl, act: Act) -> None:
    """What runs already is followed to its end."""
    if not act.is_attached:
        ensure_host_known(access, url)
