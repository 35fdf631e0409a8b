"""Random moments that can be tried again: what a test drew is printed, and pytest shows that when it fails."""

import os
import random
import threading
from collections.abc import Iterator

import pytest

MOMENTS = int(os.environ.get("RANDOM_MOMENTS", "10"))
SECONDS = float(os.environ.get("RANDOM_SECONDS", "1"))


def pause(seconds: float) -> None:
    """Where the length of time itself is what is tried."""
    threading.Event().wait(seconds)


class Moments:
    """Waits for so many random times of up to `seconds` each; the same ones for the same RANDOM_SEED."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def wait(self, seconds: float = SECONDS) -> None:
        pause(self._chance.uniform(0, seconds))

    def __iter__(self) -> Iterator[int]:
        """Numbers from 0, each after its time."""
        for number in range(MOMENTS):
            self.wait()
            yield number


@pytest.fixture
def moments() -> Moments:
    seed = int(os.environ.get("RANDOM_SEED") or random.SystemRandom().randrange(10**6))
    print(f"RANDOM_SEED={seed} RANDOM_MOMENTS={MOMENTS} RANDOM_SECONDS={SECONDS}")
    return Moments(seed)
