"""StepsClient: a WorkerClient that also runs the steps of playbooks, in projects and in the account's home, and reads
those that a project has of its own."""

from collections.abc import Sequence
from typing import Self

from flask import current_app

from app.commands import steps
from app.commands.durable import Limits, Offsets
from app.commands.ownplaybooks import OwnFile, own_playbooks, parse_own_playbooks
from app.commands.paths import ProjectName, ProjectsRoot, RelativePath
from app.commands.steps import Step
from app.errors import ActFailed, UnsafePath
from app.models import Node
from app.services.act_output import Act, RawOutput
from app.services.runtime import runtime
from app.services.targets import build_target
from app.services.worker_client import GitPolicy, WorkerClient, ensure_succeeded


def build_steps_client(node: Node) -> "StepsClient":
    """With no row in it: let the database go before using it."""
    config = current_app.config
    policy, root, longest = GitPolicy.of(config), ProjectsRoot(node.projects_root), config["JOB_TIMEOUT_SECONDS"]
    return StepsClient(runtime().nodes, build_target(node), root, policy, longest)


class StepsClient(WorkerClient):
    """Every method speaks to the node and raises NodeError or ActFailed."""

    def home(self) -> ProjectsRoot:
        """Where the account's logins begin. Raises ActFailed where no act could have its place there."""
        result = self._nodes.read(self._target, steps.home())
        ensure_succeeded(result, steps.home())
        text = result.stdout.decode("utf-8", "replace").removesuffix("\n")
        try:
            return ProjectsRoot(text)
        except UnsafePath as error:
            raise ActFailed("root_missing", f"The account's home is {text!r}, where nothing can be put.") from error

    def at(self, root: ProjectsRoot) -> Self:
        """The same node, with another place for acts and their processes."""
        return type(self)(self._nodes, self._target, root, self._policy, self._timeout_seconds)

    def list_own_playbooks(self, name: ProjectName, file: RelativePath | None, file_bytes: int) -> tuple[OwnFile, ...]:
        """The files in the project's `.bareboat`, or this one if it is there; not more than so many bytes of each.
        Empty where there is no such folder. Raises PlaybookInvalid when there are too many."""
        command = own_playbooks(self._root, name, file, file_bytes=file_bytes)
        result = self._nodes.read(self._target, command)
        if result.reason == "folder_missing":
            return ()
        ensure_succeeded(result, command)
        return parse_own_playbooks(result.stdout)

    def run_steps(
        self,
        name: ProjectName | None,
        asked: Sequence[Step],
        act: Act,
        output: RawOutput,
        mark: str,
        output_bytes: int,
    ) -> None:
        """Steps of a playbook in a project, or in our place itself; which of them failed is in what they wrote."""
        command = steps.run(self._root, name, asked, act.key, mark, self._timeout_seconds)
        limits, offsets = Limits(output_bytes, merge=True), Offsets(out=act.log_offset)
        result = self._follow(command, act, output, limits, offsets)
        output.finish(result)
        ensure_succeeded(result, command, output.last_lines)
