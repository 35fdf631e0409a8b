"""Bareboat. `create_app` is the only function that knows every room; it wires them and decides nothing."""

import atexit
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from flask import Flask

from app.api import init_app as init_api
from app.cli import init_app as init_cli
from app.cli.processes import process
from app.config import check_transport, instance_path, load_settings
from app.db import db, migrate
from app.edge import init_app as init_edge
from app.errors import MasterKeyMissing
from app.jobs.queue import Queue, SweptQueue
from app.jobs.registry import Registry
from app.jobs.runner import Runner
from app.jobs.schedule import Schedule, Tick
from app.keyring import load_keys
from app.secrets import LockedVault, Vault
from app.services import (
    alerts,
    background,
    hook_pulls,
    liveness,
    oidc,
    playbook_acts,
    project_acts,
    recoveries,
    rotation_acts,
    run_moves,
    schedule_runs,
    trash,
    trash_acts,
)
from app.services.changes_told import watched
from app.services.courier import Courier
from app.services.runtime import EXTENSION, Runtime
from app.ssh.pool import ConnectionPool
from app.web import init_app as init_web

MIGRATIONS = str(Path(__file__).parent / "migrations")
SECONDS_PER_HOUR = 3600
SCHEDULES_SECONDS = 5
HOOKS_SECONDS = 2
NOTIFICATIONS_SECONDS = 2
RUNS_SECONDS = 2

Part = Literal["all", "scheduler", "runner"]

_KINDS = (*project_acts.KINDS, *trash_acts.KINDS, *playbook_acts.KINDS, *rotation_acts.KINDS)

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
    oidc.init_app(app)
    for init in (init_edge, init_api, init_web, init_cli):
        init(app)
    app.cli.add_command(process("scheduler", partial(start_background, part="scheduler"), stop))
    app.cli.add_command(process("runner", partial(start_background, part="runner"), stop))
    return app


def start_background(app: Flask, part: Part = "all") -> Schedule | None:
    """Start scheduler and job runner, or one of them, in this process; stopped at exit.

    `all` is what goes with the web: nothing where SCHEDULER_ENABLED is off.
    """
    if part == "all" and not app.config["SCHEDULER_ENABLED"]:
        return None
    schedule = Schedule(app, _ticks(app, part))
    app.extensions["bareboat_schedule"] = schedule
    if part != "scheduler":
        _run_jobs(app, schedule)
    if part != "runner":
        with app.app_context():
            liveness.announce_limit()
    schedule.start()
    atexit.register(stop, app)
    return schedule


def stop(app: Flask) -> None:
    """End threads and connections of this process; calling it again does nothing."""
    runtime: Runtime = app.extensions[EXTENSION]
    if listener := app.extensions.pop("bareboat_listener", None):
        listener.stop()
    schedule: Schedule | None = app.extensions.pop("bareboat_schedule", None)
    if schedule is not None:
        schedule.stop()
    runtime.queue.close()
    runtime.courier.close()
    runtime.sweep.close()
    runtime.nodes.close()


def _wire(app: Flask) -> Runtime:
    return Runtime(
        nodes=ConnectionPool(idle_seconds=_idle_seconds(app)),
        vault=open_vault(app),
        queue=_make_queue(app),
        registry=Registry(*watched(*_KINDS), ended=run_moves.note_job),
        sweep=liveness.Sweep(app.config["PROBE_THREADS"]),
        courier=Courier(),
    )


def _make_queue(app: Flask) -> Queue:
    """Raises Invalid for settings that name no transport."""
    check_transport(app.config["JOB_TRANSPORT"], app.config["BROKER_URL"])
    if app.config["JOB_TRANSPORT"] == "thread":
        return SweptQueue()
    from app.jobs import amqp  # only who asks for a broker pays for its library

    return amqp.AmqpQueue(amqp.connect(app.config["BROKER_URL"]))


def _run_jobs(app: Flask, schedule: Schedule) -> None:
    """Jobs run in threads of this process; nudges reach them directly, or through the broker."""
    runtime: Runtime = app.extensions[EXTENSION]
    threads = schedule.run_jobs(Runner(app, runtime.registry))
    if app.config["JOB_TRANSPORT"] == "thread":
        runtime.queue = threads
        return
    from app.jobs import amqp

    listener = amqp.NudgeListener(amqp.connect(app.config["BROKER_URL"]), threads.nudge)
    app.extensions["bareboat_listener"] = listener
    listener.start()


def _idle_seconds(app: Flask) -> float:
    """The scheduler's process keeps the connections of nodes that it probes from one probe to the next."""
    idle, interval = float(app.config["SSH_IDLE_SECONDS"]), float(app.config["PROBE_INTERVAL_SECONDS"])
    return max(idle, 3 * interval) if app.config["SCHEDULER_ENABLED"] else idle


def open_vault(app: Flask) -> Vault | LockedVault:
    """The vault under the configured master key, or a locked one that says what is missing whenever it is used.

    Flask's SECRET_KEY is derived from the master key: no second secret to keep, none to forget.
    """
    settings = app.config["MASTER_KEY"], app.config["MASTER_KEY_PREVIOUS"]
    reread = partial(load_keys, Path(app.config["KEYS_DIR"]), *settings)
    try:
        current, *previous = reread()
    except MasterKeyMissing as error:
        return LockedVault(error)
    vault = Vault(current, tuple(previous), reread)
    app.config["SECRET_KEY"] = vault.derive("flask session")
    return vault


def _ticks(app: Flask, part: Part) -> list[Tick]:
    nodes, courier = app.extensions[EXTENSION].nodes, app.extensions[EXTENSION].courier
    connections = Tick("connections", min(30, app.config["SSH_IDLE_SECONDS"]), nodes.reap)
    if part == "runner":
        return [connections]
    return [
        connections,
        Tick("probes", min(5, app.config["PROBE_INTERVAL_SECONDS"] / 4), liveness.probe_due_nodes),
        Tick("schedules", SCHEDULES_SECONDS, schedule_runs.run_due_schedules),
        Tick("hooks", HOOKS_SECONDS, hook_pulls.start_wanted_pulls),
        Tick("alerts", NOTIFICATIONS_SECONDS, alerts.tell_due),
        Tick("notifications", NOTIFICATIONS_SECONDS, courier.tick),
        Tick("runs", RUNS_SECONDS, run_moves.advance_all),
        Tick("history", SECONDS_PER_HOUR, background.clear_history),
        Tick("remains", SECONDS_PER_HOUR, background.clear_nodes),
        Tick("recoveries", SECONDS_PER_HOUR, recoveries.drop_old_recoveries),
        Tick("trash", SECONDS_PER_HOUR, trash.empty_trash),
    ]
