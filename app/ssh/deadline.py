"""Deadline: one point in time around several steps, by the monotonic clock."""

import math
import time


class Deadline:
    """Made from seconds to go. `left(limit)` is what a step may still take: never negative, at most `limit`."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, limit: float = math.inf) -> float:
        return max(0.0, min(limit, self._end - time.monotonic()))

    @property
    def has_passed(self) -> bool:
        return time.monotonic() >= self._end
