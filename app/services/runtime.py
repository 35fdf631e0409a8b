"""Runtime: the parts of this process that services work with; wired once, by the application factory."""

from concurrent.futures import Executor
from dataclasses import dataclass

from flask import current_app

from app.jobs.queue import Queue
from app.jobs.registry import Registry
from app.secrets import LockedVault, Vault
from app.ssh.watch import Nodes

EXTENSION = "bareboat"


@dataclass(slots=True)
class Runtime:
    """`nodes` speaks SSH, `vault` seals secrets, `queue` nudges runners, `registry` knows the kinds
    of jobs, `probers` runs probes side by side."""

    nodes: Nodes
    vault: Vault | LockedVault
    queue: Queue
    registry: Registry
    probers: Executor


def runtime() -> Runtime:
    """The runtime of the current application. Raises KeyError outside a wired one, which is a fault of ours."""
    part: Runtime = current_app.extensions[EXTENSION]
    return part
