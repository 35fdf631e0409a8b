"""`make bench`: everything, or with `--quick` a little of everything; results in bench/results/."""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from bench import clone, compare, fill, large, plot, report
from bench.fleet import running_fleet

RESULTS: Final = Path(__file__).parent / "results"
DOCS: Final = Path(__file__).parents[1] / "docs"
PARTS: Final = ("large", "peers", "clone")


def main() -> int:
    signal.signal(signal.SIGTERM, _end)
    wanted = _arguments()
    peers_python = wanted.peers_venv / "bin/python" if wanted.peers_venv else None
    results: dict[str, Any] = {"machine": _machine() | {"load_before": os.getloadavg()[0]}}
    with tempfile.TemporaryDirectory(prefix="bareboat-bench-") as name:
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "large": lambda: {"large": _large(Path(name), wanted.quick)},
            "peers": lambda: _peers(wanted.quick, peers_python),
            "clone": lambda: {"clone": _clone(Path(name) / "clone", wanted.quick)},
        }
        failed = [part for part in wanted.parts if not _measured(results, part, measures[part])]
    results["machine"]["load_after"] = os.getloadavg()[0]
    text = _write(results)
    if wanted.publish:
        _publish(text)
    return 1 if failed else 0


def _measured(results: dict[str, Any], part: str, measure: Callable[[], dict[str, Any]]) -> bool:
    """One part that fails does not take the others with it."""
    try:
        results |= measure()
    except Exception:  # noqa: BLE001 - the outermost loop; the traceback is shown
        traceback.print_exc()
        say(f"{part} failed, and is left out")
        return False
    return True


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer nodes, rows and rounds: under three minutes")
    parser.add_argument("--peers-venv", type=Path, help="the virtual environment of other tools")
    parser.add_argument("--publish", action="store_true", help="put the results into docs/, to be committed")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all unless given")
    wanted = parser.parse_args()
    wanted.parts = wanted.parts or list(PARTS)
    if unknown := set(wanted.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return wanted


def _large(folder: Path, is_quick: bool) -> dict[str, Any]:
    say("lists and pages of a large installation: filling, then asking")
    return large.measure(folder / "large", fill.QUICK if is_quick else fill.FULL, 5 if is_quick else 20)


def _peers(is_quick: bool, peers_python: Path | None) -> dict[str, Any]:
    sizes = [20, 50] if is_quick else [50, 200, 500, 1000]
    rounds = 1 if is_quick else 3
    with running_fleet(sizes[-1]) as (_, path):
        peers = compare.compare(path, 20 if is_quick else 200, rounds, peers_python, say)
        growth = compare.grow(path, sizes, 1 if is_quick else 2, say)
    for row in peers:
        if "cold" in row:
            row["cold"]["cores"] = os.cpu_count()
    return {"peers": peers, "growth": growth}


def _clone(folder: Path, is_quick: bool) -> dict[str, Any]:
    nodes, rounds, seconds = (10, 1, 3.0) if is_quick else (100, 3, 15.0)
    with running_fleet(nodes) as (fleet, _):
        return clone.measure(folder, fleet, rounds, seconds, clone.BIG_WHEN_QUICK if is_quick else clone.BIG, say)


def _machine() -> dict[str, Any]:
    version = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.split(",")[0].split()[0]
    date = datetime.now(UTC).date().isoformat()
    return {"date": date, "cpus": os.cpu_count(), "openssh": version, "python": platform.python_version()}


def _write(results: dict[str, Any]) -> str:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    text = report.markdown(results)
    (RESULTS / "results.md").write_text(text)
    for name, picture in _pictures(results).items():
        (RESULTS / name).write_text(picture)
    print(text)
    say("written to bench/results")
    return text


def _publish(text: str) -> None:
    document = DOCS / "performance.md"
    document.write_text(report.published(document.read_text(), text))
    for picture in RESULTS.glob("*.svg"):
        shutil.copy(picture, DOCS / "images" / f"bench-{picture.name}")
    say("put into docs/performance.md and docs/images")


def _pictures(results: dict[str, Any]) -> dict[str, str]:
    rows = [row for row in results.get("peers", []) if "absent" not in row]
    if not rows:
        return {}
    best = sorted(((row["name"], row["liveness"]["per_second"]) for row in rows), key=lambda row: -row[1])
    growth = results["growth"]
    seconds = {
        name: [row["nodes"] / row[act]["per_second"] for row in growth]
        for name, act in (("liveness", "liveness"), ("true", "command"), ("facts", "facts"))
    }
    across = [float(row["nodes"]) for row in growth]
    return {
        "liveness.svg": plot.bars("Warm nodes seen alive in a second", best, "nodes a second"),
        "growth.svg": plot.lines("Seconds for one round over all nodes", across, seconds, "nodes"),
    }


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Leave in order: whatever was started is ended on the way out."""
    sys.exit(128 + number)


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
