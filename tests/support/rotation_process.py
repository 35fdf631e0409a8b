"""Rotates the master key of copies of an installation, in processes that die by kill -9: the n-th at its n-th moment.

A moment is a change of a file's name, or a commit. Run as `python -m tests.support.rotation_process HOME TARGET`; it
ends when a rotation has come to its end alive, and prints how many copies it has made.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, event

from app import create_app
from app.services import sealing
from app.services.events import SYSTEM

_MOST = 60


def main(home: Path, target: Path) -> None:
    for number in range(_MOST):
        copy = target / str(number)
        shutil.copytree(home, copy)
        if _rotate_until(copy, number) == 0:
            print(number + 1)
            return
    raise SystemExit("it never came to its end")


def _rotate_until(copy: Path, moment: int) -> int:
    child = os.fork()
    if child == 0:
        os._exit(_rotate(copy, moment))
    return os.waitpid(child, 0)[1]


def _rotate(copy: Path, moment: int) -> int:
    app = create_app(
        {"KEYS_DIR": str(copy / "keys"), "SQLALCHEMY_DATABASE_URI": f"sqlite:///{copy}/instance/bareboat.db"}
    )
    sealing._BATCH = 2
    die = _dying(moment)
    sys.addaudithook(lambda name, _: die() if name in ("os.rename", "os.link", "os.remove") else None)
    event.listen(Engine, "commit", lambda _: die())
    with app.app_context():
        sealing.rotate(SYSTEM)
    return 0


def _dying(moment: int) -> Callable[[], None]:
    left = iter(range(moment, -1, -1))

    def die() -> None:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return die


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
