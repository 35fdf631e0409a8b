from datetime import timedelta

import pytest

from app.cli.show import cell_text
from app.db import utcnow


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-7200, "2 h ago"), (-5, "5 s ago"), (5, "0 s ago"), (7 * 86_400 + 30, "in 7 d"), (630, "in 10 min")],
)
def test_a_time_is_told_from_now_backwards_or_ahead(seconds: int, shown: str) -> None:
    assert cell_text(utcnow() + timedelta(seconds=seconds)) == shown
