"""Two of everything, under load, killed by kill -9 at random: nothing is lost, done twice, stuck, or told twice.

`KILLS=200 RANDOM_SEED=… pytest tests/amqp/test_kills.py -s` goes on for minutes, and also lets parts stand still;
`KILLS=4` takes half a minute. Without KILLS it is left out: the ordinary tests have a kill at each moment that matters.
"""

import http.client
import json
import os
import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import func, select, update

from app.db import db, unit_of_work, utcnow
from app.models import (
    DeliveryState,
    Job,
    JobState,
    NotificationDelivery,
    Overlap,
    Role,
    Run,
    RunOutcome,
    RunState,
    Schedule,
    ScheduledRun,
)
from app.secrets import Secret
from app.services import channels, hostkeys, keys, nodes, probes, projects, schedules, tokens, users
from app.services.audit import verify_events
from app.services.events import SYSTEM
from tests.support.controller_process import fresh, wait_until
from tests.support.forge import Forge
from tests.support.moments import pause
from tests.support.parts import Part
from tests.support.receivers import Receiver
from tests.support.services import Broker
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [pytest.mark.amqp, pytest.mark.ssh, pytest.mark.slow]

KILLS = int(os.environ.get("KILLS", "0"))
PARTS = ("gunicorn", "gunicorn", "runner", "runner", "scheduler", "scheduler")
LEASE_SECONDS = 4
PORT = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")


@pytest.fixture
def settings(postgres: Callable[[], str], shared_broker: Broker, bare_app: Callable[..., Flask]) -> Iterator[Any]:
    """What all parts share. An application of the test's own is open beside them."""
    shared: dict[str, Any] = {
        "SQLALCHEMY_DATABASE_URI": postgres(),
        "JOB_TRANSPORT": "amqp",
        "BROKER_URL": shared_broker.url,
        "ALLOWED_GIT_SCHEMES": ["git", "https", "ssh"],
        "DENIED_NETWORKS": [],
        "NOTIFY_ALLOW_HTTP": True,
        "JOB_LEASE_SECONDS": LEASE_SECONDS,
        "JOB_SWEEP_SECONDS": 1,
        "PROBE_INTERVAL_SECONDS": 5,
    }
    app = bare_app(**shared)
    with app.app_context():
        upgrade()
        yield shared | {"KEYS_DIR": app.config["KEYS_DIR"], "SCHEDULER_ENABLED": False}
        db.session.remove()
        db.engine.dispose()


class Fleet:
    """The parts, each started again when it was killed. `odds` is the one source of chance."""

    def __init__(self, start: Callable[..., Part], settings: dict[str, Any], odds: random.Random) -> None:
        self._start, self._settings, self._odds = start, settings, odds
        self.parts = [start(name, settings) for name in PARTS]
        self.all = list(self.parts)

    def is_up(self) -> bool:
        return all(
            part.is_up() if name != "gunicorn" else self._port(part)
            for name, part in zip(PARTS, self.parts, strict=True)
        )

    def ports(self) -> list[int]:
        return [port for port in map(self._port, self.parts[:2]) if port]

    def hurt_one(self) -> str:
        """kill -9, or, when there are many, now and then a standstill for longer than a lease."""
        number = self._odds.randrange(len(PARTS))
        if KILLS > 10 and self._odds.random() < 0.15 and PARTS[number] != "gunicorn":
            self.parts[number].process.send_signal(signal.SIGSTOP)
            pause(LEASE_SECONDS + 3)
            self.parts[number].process.send_signal(signal.SIGCONT)
            return f"{PARTS[number]} stood still"
        self.parts[number].end(signal.SIGKILL)
        self.parts[number] = self._start(PARTS[number], self._settings)
        self.all.append(self.parts[number])
        return f"{PARTS[number]} killed"

    @staticmethod
    def _port(part: Part) -> int:
        found = PORT.search(part.output)
        return int(found[1]) if found else 0


class Client:
    """Programs that ask over REST, at whichever web is there. `asked` are the marks of what was surely taken."""

    def __init__(self, fleet: Fleet, token: str, marks: Path, project_ids: list[int]) -> None:
        self._fleet, self._token, self._marks, self._project_ids = fleet, token, marks, project_ids
        self.asked: list[str] = []
        self.run_ids: list[int] = []
        self.refused = Counter[int | str]()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=[number]) for number in range(2)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(120)

    def _ask(self, thread: int) -> None:
        for number in range(100_000):
            if self._ended.wait(0.1):
                return
            mark = f"{thread}-{number}"
            script = f'echo "$PWD" >>{self._marks}/{mark}; sleep 0.{number % 5}; exit {number % 3 == 0:d}'
            project_id = self._project_ids[number % len(self._project_ids)]
            if number % 9 == 8:
                params = {"argv": ["sh", "-c", script]}
                made = self._post(
                    "runs", {"kind": "project.command", "params": params, "project_ids": self._project_ids}
                )
                self.run_ids += [made["id"]] if made else []
            elif self._post(f"projects/{project_id}/commands", {"argv": ["sh", "-c", script]}):
                self.asked.append(mark)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        ports = self._fleet.ports()
        if not ports:
            return None
        connection = http.client.HTTPConnection("127.0.0.1", random.choice(ports), timeout=60)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", f"/api/v1/{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.refused[type(error).__name__] += 1
            return None
        finally:
            connection.close()
        if answer.status not in (201, 202):
            self.refused[f"{answer.status} {told.get('error')}"] += 1
            return None
        return told


def enrol(name: str, server: SshdServer, key_id: int, root: Path) -> int:
    root.mkdir(mode=0o755)
    target = server.target()
    values = {"name": name, "hostname": target.hostname, "ssh_port": target.port, "ssh_user": target.user}
    node_id = nodes.create_node(values | {"ssh_key_id": key_id, "projects_root": str(root)}, SYSTEM).id
    for line in server.host_keys():
        hostkeys.pin_public_key(node_id, str(line), SYSTEM)
    assert probes.probe_node(node_id).ok
    return node_id


def clone_all(node_ids: list[int], url: str) -> list[int]:
    made = [
        projects.request_clone({"name": f"p{number}", "git_url": url, "node_id": node_id}, SYSTEM).id
        for node_id in node_ids
        for number in range(2)
    ]
    wait_until(lambda: all(fresh(job_id).is_finished for job_id in made), 120)
    assert {fresh(job_id).state for job_id in made} == {JobState.SUCCEEDED}
    return [fresh(job_id).project_id or 0 for job_id in made]


def add_schedules(project_ids: list[int]) -> list[int]:
    """Due once a year, and whenever the test says so."""
    return [
        schedules.create_schedule(
            {
                "name": f"s{project_id}",
                "project_id": project_id,
                "kind": "project.pull",
                "params": {},
                "cron": "0 0 1 1 *",
                "timezone": "UTC",
                "overlap": list(Overlap)[number % 3],
            },
            SYSTEM,
        ).id
        for number, project_id in enumerate(project_ids)
    ]


def make_due(schedule_id: int) -> bool:
    """Now; False when the time before was not taken yet."""
    now = utcnow()
    later = update(Schedule).where(Schedule.id == schedule_id, Schedule.next_run_at > now + timedelta(days=1))
    if now + timedelta(days=3) > now.replace(month=12, day=31):
        return False  # the days around the year's own due time
    with unit_of_work() as session:
        return bool(session.execute(later.values(next_run_at=now)).rowcount)


def count(*conditions: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).where(*conditions)) or 0


def is_all_over() -> bool:
    return not (
        count(Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
        or count(Run.state == RunState.RUNNING)
        or count(Schedule.next_run_at <= utcnow())
        or count(ScheduledRun.outcome == RunOutcome.WAITING)
        or count(NotificationDelivery.state == DeliveryState.PENDING)
    )


@pytest.mark.skipif(not KILLS, reason="asked for with KILLS=number")
def test_two_of_everything_survive_kills_under_load(
    settings: dict[str, Any],
    start_part: Callable[..., Part],
    sshd: SshdServer,
    ssh_keypair: KeyPair,
    forge: Forge,
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("RANDOM_SEED") or random.SystemRandom().randrange(10**6))
    print(f"RANDOM_SEED={seed} KILLS={KILLS}")
    odds = random.Random(seed)
    marks = tmp_path / "marks"
    marks.mkdir()
    token = tokens.create_token(
        users.create_user("ops", Role.ADMIN, Secret("a long enough one"), SYSTEM), "t", 1, SYSTEM
    )
    key_id = keys.import_key("fleet", ssh_keypair.private, None, SYSTEM).id
    node_ids = [enrol(f"node-{number}", sshd, key_id, tmp_path / f"root-{number}") for number in range(2)]
    fleet = Fleet(start_part, settings, odds)
    project_ids = clone_all(node_ids, forge.url)
    schedule_ids = add_schedules(project_ids)
    wait_until(fleet.is_up)
    with Receiver() as receiver:
        channels.create_channel({"name": "ops", "kind": "json", "url": Secret(receiver.url)}, SYSTEM)
        client = Client(fleet, token.reveal(), marks, project_ids)
        client.start()
        due = Counter[int]()
        try:
            for number in range(KILLS):
                pause(odds.uniform(0.2, 1.5))
                print(number, fleet.hurt_one(), dict(client.refused), len(client.asked), flush=True)
                for schedule_id in schedule_ids:
                    due[schedule_id] += make_due(schedule_id)
        finally:
            client.stop()
        wait_until(is_all_over, 180)
        assert_commands_ran_once(client, marks)
        assert_runs_ran_once(client, marks, len(project_ids))
        assert_due_times_counted_once(due)
        assert_told_once(receiver)
    assert verify_events().fault is None
    assert count(Job.error_code == "internal_error") == 0
    print(Counter(line for part in fleet.all for line in part.output.splitlines() if "rror" in line).most_common(20))


def assert_commands_ran_once(client: Client, marks: Path) -> None:
    """Whatever was asked for has ended. What succeeded or failed by itself ran once; nothing ran twice."""
    db.session.rollback()
    ended = {
        job.params["argv"][2].partition("marks/")[2].partition(";")[0]: job
        for job in db.session.scalars(select(Job).where(Job.kind == "project.command", Job.requested_by == "ops"))
    }
    assert set(client.asked) - ended.keys() == set()
    twice = [path.name for path in marks.iterdir() if len(set(lines := path.read_text().split())) != len(lines)]
    assert twice == []
    ran = {path.name for path in marks.iterdir()}
    assert {
        mark for mark, job in ended.items() if job.state is JobState.SUCCEEDED or job.exit_status == 1
    } - ran == set()
    print("commands:", Counter((job.state.value, job.error_code) for job in ended.values()))


def assert_runs_ran_once(client: Client, marks: Path, size: int) -> None:
    assert count(Run.id.in_(client.run_ids), Run.state == RunState.RUNNING) == 0
    made = db.session.scalars(select(Run)).all()
    print("runs:", Counter(run.state.value for run in made), f"{size} members each")


def assert_due_times_counted_once(due: Counter[int]) -> None:
    """One row for each; a job for each row that says so, and for no other."""
    db.session.rollback()
    rows = db.session.scalars(select(ScheduledRun)).all()
    assert Counter(row.schedule_id for row in rows) == +due
    queued = [row.job_id for row in rows if row.outcome is RunOutcome.QUEUED]
    asked = set(db.session.scalars(select(Job.id).where(Job.requested_by.startswith("schedule "))))
    assert (len(queued), set(queued)) == (len(asked), asked)
    print("due times:", Counter(row.outcome.value for row in rows))


def assert_told_once(receiver: Receiver) -> None:
    """Each failure is one notification, which came: with the same id whenever it came again."""
    failed = set(
        db.session.scalars(
            select(Job.id).where(Job.state == JobState.FAILED, ~Job.requested_by.startswith("schedule "))
        )
    )
    came = [got.json for got in receiver.got if got.json["event"] == "job.failed"]
    ids = {(told["data"]["job_id"], told["id"]) for told in came}
    assert Counter(job_id for job_id, _ in ids) == Counter(failed)
    print("told:", len(ids), "came:", len(came))
