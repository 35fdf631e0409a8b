"""Due times as cron has them: weekdays, month ends, days of either kind, and clocks that are put forward and back."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from app.errors import Invalid
from app.jobs.cron import ensure_cron, next_due, time_zones

BERLIN = "Europe/Berlin"
SPRING = datetime(2027, 3, 27, 12, tzinfo=UTC)  # the clock goes from 02:00 to 03:00 on Sunday the 28th
AUTUMN = datetime(2027, 10, 30, 12, tzinfo=UTC)  # and back from 03:00 to 02:00 on Sunday the 31st


def times(expression: str, after: datetime, count: int, zone: str = BERLIN) -> list[str]:
    """The next due times as the zone's clock shows them, with its distance to UTC."""
    found, due = [], next_due(expression, zone, after)
    while due is not None and len(found) < count:
        found.append(due.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z"))
        due = next_due(expression, zone, due)
    return found


def days(expression: str, count: int) -> list[str]:
    """Weekday and date of the next due times, from Monday 2027-03-01 on."""
    found, due = [], datetime(2027, 2, 28, 23, tzinfo=UTC)
    for _ in range(count):
        due = next_due(expression, "UTC", due) or due
        found.append(due.strftime("%a %m-%d"))
    return found


def test_a_time_that_the_clock_skips_comes_once_as_much_later() -> None:
    assert times("30 2 * * *", SPRING, 2) == ["28 03:30 +0200", "29 02:30 +0200"]


def test_a_time_that_the_clock_shows_twice_comes_once() -> None:
    assert times("30 2 * * *", AUTUMN, 2) == ["31 02:30 +0200", "01 02:30 +0100"]


def test_times_beside_the_change_come_once() -> None:
    expression = "0,30 1,2,3 * * *"
    spring = ["28 01:00 +0100", "28 01:30 +0100", "28 03:00 +0200", "28 03:30 +0200", "29 01:00 +0200"]
    assert times(expression, SPRING, 5) == spring
    autumn = ["31 01:00 +0200", "31 01:30 +0200", "31 02:00 +0200", "31 02:30 +0200", "31 03:00 +0100"]
    assert times(expression, AUTUMN, 5) == autumn


def test_every_hour_means_each_hour_that_passes() -> None:
    assert times("30 * * * *", SPRING + timedelta(hours=12), 3) == [
        "28 01:30 +0100",
        "28 03:30 +0200",
        "28 04:30 +0200",
    ]
    assert times("30 * * * *", AUTUMN + timedelta(hours=12), 3) == [
        "31 02:30 +0200",
        "31 02:30 +0100",
        "31 03:30 +0100",
    ]


def test_a_midnight_that_a_zone_skips_is_not_lost() -> None:
    before = datetime(2018, 11, 3, 12, tzinfo=UTC)
    assert times("0 0 * * *", before, 2, "America/Sao_Paulo") == ["04 01:00 -0200", "05 00:00 -0200"]


@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"])
@pytest.mark.parametrize("expression", ["*/7 * * * *", "15,45 0-3 * * *", "30 2 * * *", "0 */3 * * *"])
def test_a_due_time_always_lies_ahead_and_a_year_has_no_hole(expression: str, zone: str) -> None:
    due, found = datetime(2027, 3, 1, tzinfo=UTC), []
    while due < datetime(2027, 4, 20, tzinfo=UTC) and len(found) < 1200:
        due = next_due(expression, zone, due) or datetime.max.replace(tzinfo=UTC)
        found.append(due)
    assert all(timedelta(0) < later - earlier <= timedelta(hours=25) for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("weekday", "expected"),
    [
        ("0", ["Sun 03-07", "Sun 03-14"]),
        ("7", ["Sun 03-07", "Sun 03-14"]),
        ("1", ["Mon 03-01", "Mon 03-08"]),
        ("6", ["Sat 03-06", "Sat 03-13"]),
        ("1-5", ["Mon 03-01", "Tue 03-02", "Wed 03-03", "Thu 03-04", "Fri 03-05", "Mon 03-08"]),
        ("5-7", ["Fri 03-05", "Sat 03-06", "Sun 03-07", "Fri 03-12"]),
        ("0-1", ["Mon 03-01", "Sun 03-07", "Mon 03-08"]),
        ("*/2", ["Tue 03-02", "Thu 03-04", "Sat 03-06", "Sun 03-07"]),
        ("1-5/2", ["Mon 03-01", "Wed 03-03", "Fri 03-05", "Mon 03-08"]),
        ("MON,sun", ["Mon 03-01", "Sun 03-07", "Mon 03-08"]),
        ("fri-sun", ["Fri 03-05", "Sat 03-06", "Sun 03-07", "Fri 03-12"]),
        ("sun-mon", ["Mon 03-01", "Sun 03-07", "Mon 03-08"]),
    ],
)
def test_weekdays_count_as_in_cron(weekday: str, expected: list[str]) -> None:
    assert days(f"0 0 * * {weekday}", len(expected)) == expected


def test_a_day_beside_a_weekday_means_either_as_in_cron() -> None:
    assert days("0 0 13 * 5", 4) == ["Fri 03-05", "Fri 03-12", "Sat 03-13", "Fri 03-19"]


def test_a_month_without_the_day_is_passed_over() -> None:
    assert days("0 0 31 * *", 3) == ["Wed 03-31", "Mon 05-31", "Sat 07-31"]
    assert days("0 0 29 2 *", 1) == ["Tue 02-29"]


def test_the_last_day_of_each_month_has_a_word() -> None:
    assert days("0 0 last * *", 3) == ["Wed 03-31", "Fri 04-30", "Mon 05-31"]


def test_the_due_time_itself_is_not_ahead_of_itself() -> None:
    at = datetime(2027, 3, 1, 12, tzinfo=UTC)
    assert next_due("0 12 * * *", "UTC", at) == at + timedelta(days=1)
    assert next_due("0 12 * * *", "UTC", at - timedelta(microseconds=1)) == at


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("60 * * * *", "minute '60'"),
        ("*/0 * * * *", "minute"),
        ("5-1 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("٣ * * * *", "minute"),
        ("0 24 * * *", "hour '24'"),
        ("0 0 0 * *", "day '0'"),
        ("0 0 last-5 * *", "day 'last-5'"),
        ("0 0 * 13 *", "month '13'"),
        ("0 0 * jan!! *", "month 'jan!!'"),
        ("0 0 * foo *", "month 'foo'"),
        ("0 0 * * 8", "weekday '8'"),
        ("0 0 * * fri-mon", "weekday 'fri-mon'"),
        ("0 0 * * 1/0", "weekday"),
        ("0 0 * * mo", "weekday 'mo'"),
        ("* * * *", "Five fields"),
        ("0 * * * * *", "Five fields"),
        ("@daily", "Five fields"),
        ("", "Five fields"),
        ("1," * 200 + "1 * * * *", "Five fields"),
        ("0 0 30 2 *", "never due"),
        ("0 0 31 2,4,6,9,11 *", "never due"),
    ],
)
def test_a_bad_expression_is_refused_by_field_and_rule(expression: str, words: str) -> None:
    with pytest.raises(Invalid) as refusal:
        ensure_cron(expression, "UTC")
    (rule,) = refusal.value.errors["cron"]
    assert words in rule


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "../../etc/passwd", "europe/berlin", "localtime", "CEST", "+02:00"]
)
def test_a_zone_that_is_not_known_is_refused(zone: str) -> None:
    with pytest.raises(Invalid) as refusal:
        ensure_cron("0 0 * * *", zone)
    assert list(refusal.value.errors) == ["timezone"]


def test_every_zone_that_is_offered_is_taken() -> None:
    assert {BERLIN, "UTC"} <= set(time_zones())
    for zone in time_zones():
        ensure_cron("0 0 * * *", zone)
