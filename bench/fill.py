"""A large installation, made up: nodes, projects, jobs, probes and events straight into SQLite, in under a minute."""

import json
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

_BASE: Final = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS: Final = ("shop", "billing", "search", "mail", "docs", "intranet", "metrics", "portal", "queue", "archive")
_KINDS: Final = ("project.pull", "project.pull", "project.pull", "project.command", "project.checkout")
_ENDED: Final = ("SUCCEEDED",) * 18 + ("FAILED", "CANCELLED")
_FACTS: Final = {"os": "Debian GNU/Linux 12", "git_version": "2.39.5", "cpus": 4, "disk_free_bytes": 90_000_000_000}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows. `under_way` jobs are queued or running, the rest have ended."""

    nodes: int = 2_000
    projects: int = 100_000
    jobs: int = 1_000_000
    under_way: int = 200
    schedules: int = 1_000
    probes_per_node: int = 100
    events: int = 200_000


FULL: Final = Size()
QUICK: Final = Size(nodes=200, projects=10_000, jobs=50_000, schedules=100, probes_per_node=20, events=10_000)


def fill(path: Path, size: Size) -> None:
    """Adds to an empty database whose tables are there; the same rows each time."""
    chance = random.Random(4)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        indexes = _drop_indexes(connection)
        _insert(connection, "ssh_key", _keys())
        _insert(connection, "node", _nodes(size, chance))
        _insert(connection, "host_key", _host_keys(size))
        _insert(connection, "project", _projects(size, chance))
        _insert(connection, "job", _jobs(size, chance))
        _insert(connection, "job_log_chunk", _logs(size))
        _insert(connection, "schedule", _schedules(size))
        _insert(connection, "probe", _probes(size, chance))
        _insert(connection, "event", _events(size))
        for statement in indexes:
            connection.execute(statement)
    connection.close()


def _drop_indexes(connection: sqlite3.Connection) -> list[str]:
    """How to make them again: once for all rows is much quicker than with each."""
    named = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    found = connection.execute(named).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}")
    return [sql for _, sql in found]


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[Row]) -> None:
    first = next(rows)
    marks = ", ".join(f":{name}" for name in first)
    statement = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({marks})"
    connection.execute(statement, first)
    connection.executemany(statement, rows)


def _keys() -> Iterator[Row]:
    yield {
        "id": 1,
        "uid": "0" * 32,
        "name": "fleet",
        "type": "ssh-ed25519",
        "bits": 256,
        "fingerprint": "SHA256:made-up",
        "public_key": "ssh-ed25519 AAAA fleet",
        "private_key_sealed": "",
        "created_at": _at(0),
    }


def _nodes(size: Size, chance: random.Random) -> Iterator[Row]:
    for number in range(1, size.nodes + 1):
        yield {
            "id": number,
            "name": f"node-{number:05}",
            "hostname": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            "ssh_port": 22,
            "ssh_user": "deploy",
            "ssh_key_id": 1,
            "projects_root": "/data/projects",
            "labels": json.dumps({"site": chance.choice(("berlin", "oslo", "lyon"))}),
            "cordoned": number % 97 == 0,
            "created_at": _at(number),
            "status": "OFFLINE" if number % 50 == 0 else "ONLINE",
            "last_seen_at": _at(number),
            "latency_ms": chance.uniform(0.2, 60),
            "facts": json.dumps(_FACTS),
            "failures": 0,
            "offered_host_keys": "[]",
        }


def _host_keys(size: Size) -> Iterator[Row]:
    for number in range(1, size.nodes + 1):
        line = f"ssh-ed25519 AAAA{number}"
        yield {
            "node_id": number,
            "type": "ssh-ed25519",
            "fingerprint": f"SHA256:{number}",
            "public_key": line,
            "pinned_by": "admin",
            "pinned_at": _at(number),
        }


def _projects(size: Size, chance: random.Random) -> Iterator[Row]:
    for number in range(1, size.projects + 1):
        name = f"{chance.choice(_WORDS)}-{number * 7919 % size.projects:06}"
        state = "SYNCING" if number <= size.under_way else "ERROR" if number % 100 == 0 else "ACTIVE"
        yield {
            "id": number,
            "name": name,
            "name_folded": name,
            "node_id": number % size.nodes + 1,
            "git_url": f"https://git.example.com/{name}.git",
            "branch": "main",
            "submodules": False,
            "status": state,
            "error_code": "git_unreachable" if state == "ERROR" else None,
            "error_message": "The git server does not answer." if state == "ERROR" else None,
            "head": f"{number:040x}",
            "head_subject": "Mend the cart",
            "cloned_at": _at(number),
            "last_synced_at": _at(number * 3 % size.projects),
            "created_at": _at(number),
        }


def _jobs(size: Size, chance: random.Random) -> Iterator[Row]:
    """The newest are under way: one for each of the first projects."""
    first_under_way = size.jobs - size.under_way + 1
    for number in range(1, size.jobs + 1):
        waits = number >= first_under_way
        project = number - first_under_way + 1 if waits else number % size.projects + 1
        state = ("RUNNING" if number % 4 == 0 else "QUEUED") if waits else chance.choice(_ENDED)
        yield {
            "id": number,
            "uid": f"{number:032x}",
            "kind": "project.clone" if number <= size.projects else chance.choice(_KINDS),
            "project_id": project,
            "project_name": f"project-{project}",
            "node_id": project % size.nodes + 1,
            "node_name": f"node-{project % size.nodes + 1:05}",
            "params": "{}",
            "state": state,
            "attempt": 1,
            "max_attempts": 3,
            "error_code": "git_unreachable" if state == "FAILED" else None,
            "error_message": "The git server does not answer." if state == "FAILED" else None,
            "requested_by": "admin",
            "owner": "elsewhere:1:salt" if state == "RUNNING" else None,
            "lease_expires_at": "2099-01-01 00:00:00.000000" if state == "RUNNING" else None,
            "is_attached": False,
            "log_offset": 0,
            "created_at": _at(number),
            "started_at": _at(number + 1),
            "finished_at": None if waits else _at(number + 5),
        }


def _logs(size: Size) -> Iterator[Row]:
    """Every tenth job has said something."""
    for number in range(10, size.jobs + 1, 10):
        data = b"remote: Counting objects: 100% (12/12), done.\nUpdating 0a1beaa..77d3c1f\nFast-forward\n"
        yield {"job_id": number, "start_offset": 0, "data": data, "created_at": _at(number)}


def _schedules(size: Size) -> Iterator[Row]:
    for number in range(1, size.schedules + 1):
        yield {
            "id": number,
            "name": f"nightly-{number:05}",
            "project_id": size.projects - number,
            "kind": "project.pull",
            "params": '{"strategy": "ff-only"}',
            "cron": "0 4 * * *",
            "timezone": "UTC",
            "enabled": True,
            "overlap": "skip",
            "catch_up": "once",
            "next_run_at": _at(100_000_000),
            "last_job_id": number,
            "last_outcome": "queued",
            "created_by": "admin",
            "created_at": _at(number),
        }


def _probes(size: Size, chance: random.Random) -> Iterator[Row]:
    for number in range(size.nodes * size.probes_per_node):
        row = {"node_id": number % size.nodes + 1, "started_at": _at(number), "ok": True}
        yield row | {"latency_ms": chance.uniform(0.2, 60)}


def _events(size: Size) -> Iterator[Row]:
    for number in range(1, size.events + 1):
        row = {"at": _at(number), "actor": "admin", "address": "192.0.2.7", "action": "project.pull"}
        about = {"project_name": f"shop-{number}", "node_name": f"node-{number % size.nodes + 1:05}"}
        yield row | about | {"subject": f"project shop-{number} (job {number})", "outcome": "requested"}


def _at(seconds: int) -> str:
    """As SQLAlchemy stores times in SQLite."""
    return (_BASE + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.000000")
