"""Runtime: the parts of this process that services work with; wired once, by the application factory."""

from dataclasses import dataclass
from typing import Protocol

from flask import Flask, current_app

from app.jobs.queue import Queue
from app.jobs.registry import Registry
from app.secrets import LockedVault, Vault
from app.ssh.watch import Nodes

EXTENSION = "bareboat"


class Watcher(Protocol):
    """What looks after something by itself: `liveness.Sweep` after nodes, `courier.Courier` after notifications."""

    def tick(self) -> None:
        """Begin with what has come due."""

    def close(self) -> None:
        """Begin nothing more."""


@dataclass(slots=True)
class Runtime:
    """`nodes` speaks SSH, `vault` seals secrets, `queue` nudges runners, `registry` knows the kinds
    of jobs, `sweep` asks nodes for signs of life, `courier` takes notifications to their channels."""

    nodes: Nodes
    vault: Vault | LockedVault
    queue: Queue
    registry: Registry
    sweep: Watcher
    courier: Watcher


def this_app() -> Flask:
    """The current application itself, for a thread that has no context yet."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # of the proxy, not of the app
    return app


def runtime() -> Runtime:
    """The runtime of the current application. Raises KeyError outside a wired one, which is a fault of ours."""
    part: Runtime = current_app.extensions[EXTENSION]
    return part
