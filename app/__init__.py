"""Bareboat. `create_app` is the only function that knows every room; it wires them and decides nothing."""

import atexit
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from app.api import init_app as init_api
from app.cli import init_app as init_cli
from app.config import instance_path, load_settings
from app.db import db, migrate
from app.edge import init_app as init_edge
from app.errors import MasterKeyMissing
from app.jobs.queue import SweptQueue
from app.jobs.registry import Registry
from app.jobs.runner import Runner
from app.jobs.schedule import Schedule, Tick
from app.secrets import LockedVault, Vault, load_master_key
from app.services import background, hook_pulls, liveness, project_acts, schedule_runs
from app.services.runtime import EXTENSION, Runtime
from app.ssh.pool import ConnectionPool
from app.web import init_app as init_web

MIGRATIONS = str(Path(__file__).parent / "migrations")
SECONDS_PER_HOUR = 3600
SCHEDULES_SECONDS = 5
HOOKS_SECONDS = 2

logger = logging.getLogger(__name__)


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """The wired application. No thread is started here; see `start_background`.

    Without a master key the vault is locked: only `flask init`, which makes the key, is of use then.
    """
    app = Flask(__name__, instance_path=instance_path(), instance_relative_config=True)
    load_settings(app, settings)
    db.init_app(app)
    migrate.init_app(app, directory=MIGRATIONS)
    app.extensions[EXTENSION] = _wire(app)
    for init in (init_edge, init_api, init_web, init_cli):
        init(app)
    return app


def start_background(app: Flask) -> Schedule | None:
    """Start scheduler and job runner in this process, unless SCHEDULER_ENABLED is off; stopped at exit."""
    if not app.config["SCHEDULER_ENABLED"]:
        return None
    runtime: Runtime = app.extensions[EXTENSION]
    schedule = Schedule(app, Runner(app, runtime.registry), _ticks(app))
    runtime.queue = schedule.queue
    app.extensions["bareboat_schedule"] = schedule
    with app.app_context():
        liveness.announce_limit()
    schedule.start()
    atexit.register(stop, app)
    return schedule


def stop(app: Flask) -> None:
    """End threads and connections of this process; calling it again does nothing."""
    runtime: Runtime = app.extensions[EXTENSION]
    schedule: Schedule | None = app.extensions.pop("bareboat_schedule", None)
    if schedule is not None:
        schedule.stop()
    runtime.sweep.close()
    runtime.nodes.close()


def _wire(app: Flask) -> Runtime:
    return Runtime(
        nodes=ConnectionPool(idle_seconds=_idle_seconds(app)),
        vault=open_vault(app),
        queue=SweptQueue(),
        registry=Registry(*project_acts.KINDS),
        sweep=liveness.Sweep(app.config["PROBE_THREADS"]),
    )


def _idle_seconds(app: Flask) -> float:
    """The scheduler's process keeps the connections of nodes that it probes from one probe to the next."""
    idle, interval = float(app.config["SSH_IDLE_SECONDS"]), float(app.config["PROBE_INTERVAL_SECONDS"])
    return max(idle, 3 * interval) if app.config["SCHEDULER_ENABLED"] else idle


def open_vault(app: Flask) -> Vault | LockedVault:
    """The vault under the configured master key, or a locked one that says what is missing whenever it is used.

    Flask's SECRET_KEY is derived from the master key: no second secret to keep, none to forget.
    """
    path = Path(app.config["KEYS_DIR"]) / "master.key"
    try:
        vault = Vault(load_master_key(app.config["MASTER_KEY"], path))
    except MasterKeyMissing as error:
        return LockedVault(error)
    app.config["SECRET_KEY"] = vault.derive("flask session")
    return vault


def _ticks(app: Flask) -> list[Tick]:
    nodes = app.extensions[EXTENSION].nodes
    return [
        Tick("probes", min(5, app.config["PROBE_INTERVAL_SECONDS"] / 4), liveness.probe_due_nodes),
        Tick("connections", min(30, app.config["SSH_IDLE_SECONDS"]), nodes.reap),
        Tick("schedules", SCHEDULES_SECONDS, schedule_runs.run_due_schedules),
        Tick("hooks", HOOKS_SECONDS, hook_pulls.start_wanted_pulls),
        Tick("history", SECONDS_PER_HOUR, background.clear_history),
        Tick("remains", SECONDS_PER_HOUR, background.clear_nodes),
    ]
