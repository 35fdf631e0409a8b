"""When a cron expression is due next in a time zone. APScheduler reads the fields and finds the times.

What crontab(5) says and APScheduler does otherwise is put right here: weekdays count from Sunday (0 and 7), and a day
of the month beside a weekday means either of them. A fixed time that the clock skips comes as much later as the clock
jumped, one that it shows twice comes once; with `*` in minute or hour the time that really passes counts.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from apscheduler.triggers.cron import CronTrigger

from app.errors import Invalid

EXPRESSION_LIMIT: Final = 255
_HORIZON: Final = timedelta(days=50 * 366)  # 29 February on one weekday may be 40 years away
_FIELDS: Final = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day": "1 to 31, or 'last'",
    "month": "1 to 12, or jan to dec",
    "day_of_week": "0 to 7 (0 and 7 are Sunday), or sun to sat",
}
_PART: Final = re.compile(r"\*(/[0-9]{1,3})?|[0-9]{1,3}(-[0-9]{1,3})?(/[0-9]{1,3})?|[a-z]{3}(-[a-z]{3})?|last")
_WEEKDAY: Final = re.compile(r"(?P<first>\*|[0-7]|[a-z]{3})(-(?P<last>[0-7]|[a-z]{3}))?(/(?P<step>[1-7]))?")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NO_ZONES: Final = frozenset({"localtime", "Factory"})  # what they mean depends on the machine


def next_due(expression: str, zone: str, after: datetime) -> datetime | None:
    """The first due time after `after`, in UTC; None when there is none in 50 years. Raises Invalid."""
    fields, place = _parse(expression), _zone(zone)
    is_fixed = not (fields["minute"].startswith("*") or fields["hour"].startswith("*"))
    find = _next_fixed if is_fixed else _next_passing
    found = [due for choice in _either_day(fields) if (due := find(choice, place, after.astimezone(UTC)))]
    return min(found, default=None)


def ensure_cron(expression: str, zone: str) -> None:
    """Raises Invalid, naming the field (`cron` or `timezone`) and the rule; also when it would never be due."""
    if next_due(expression, zone, datetime.now(UTC)) is None:
        raise _refused("cron", f"'{expression}' is never due: there is no such day.")


@cache
def time_zones() -> tuple[str, ...]:
    """Names of the IANA zones that this machine knows; UTC always."""
    return tuple(sorted(available_timezones() - _NO_ZONES | {"UTC"}))


def local_time(moment: datetime, zone: str) -> datetime:
    """As the zone's clock shows it; in UTC where the zone is not known any more."""
    return moment.astimezone(_zone(zone) if zone in time_zones() else UTC)


def _next_passing(fields: dict[str, str], zone: tzinfo, after: datetime) -> datetime | None:
    return _first(CronTrigger(**fields, timezone=zone, end_date=after + _HORIZON), after)


def _next_fixed(fields: dict[str, str], zone: tzinfo, after: datetime) -> datetime | None:
    """Walks the hands of the zone's clock as if it were never set, and asks afterwards when they stand there."""
    shown = after.astimezone(zone).replace(tzinfo=UTC)
    trigger = CronTrigger(**fields, timezone=UTC, end_date=shown + _HORIZON)
    while (due := _first(trigger, shown)) is not None:
        shown, real = due, due.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if real > after:
            return real
    return None


def _first(trigger: CronTrigger, after: datetime) -> datetime | None:
    due: datetime | None = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
    return due.astimezone(UTC) if due else None


def _either_day(fields: dict[str, str]) -> Iterator[dict[str, str]]:
    """With both days given each of them will do, as in cron; APScheduler wants both."""
    day, weekday = fields["day"], fields["day_of_week"]
    is_either = not day.startswith("*") and not weekday.startswith("*")
    names = _weekday_names(weekday)
    if is_either:
        yield fields | {"day_of_week": "*"}
        yield fields | {"day_of_week": names, "day": "*"}
    else:
        yield fields | {"day_of_week": names}


def _parse(expression: str) -> dict[str, str]:
    texts = expression.lower().split()
    if len(texts) != len(_FIELDS) or len(expression) > EXPRESSION_LIMIT:
        raise _refused("cron", "Five fields with blanks between them: minute hour day month weekday.")
    fields = dict(zip(_FIELDS, texts, strict=True))
    for name, text in fields.items():
        _ensure_field(name, text)
    return fields


def _ensure_field(name: str, text: str) -> None:
    """APScheduler would overlook what stands behind a name; so the form is checked before it reads."""
    try:
        if not all(_PART.fullmatch(part) for part in text.split(",")):
            raise ValueError(text)
        CronTrigger(**{name: _weekday_names(text) if name == "day_of_week" else text}, timezone=UTC)
    except ValueError as error:
        title = "weekday" if name == "day_of_week" else name
        rule = f"The {title} '{text}' is not allowed: {_FIELDS[name]}; lists 1,2, ranges 1-5, steps */2, or *."
        raise _refused("cron", rule) from error


def _weekday_names(text: str) -> str:
    """The same days by their names, which mean the same to cron and to APScheduler."""
    if text == "*":
        return text
    days = {day % 7 for part in text.split(",") for day in _days(part)}
    return ",".join(_WEEKDAYS[day] for day in sorted(days))


def _days(part: str) -> range:
    """Cron's numbers, 7 among them. Raises ValueError."""
    found = _WEEKDAY.fullmatch(part)
    if found is None:
        raise ValueError(part)
    if found["first"] == "*":
        first, last = 0, 6
    else:
        first = _day(found["first"])
        last = _day(found["last"]) if found["last"] else (6 if found["step"] else first)
        last = 7 if found["last"] == "sun" and first else last
    if first > last:
        raise ValueError(part)
    return range(first, last + 1, int(found["step"] or 1))


def _day(text: str) -> int:
    return int(text) if text.isdigit() else _WEEKDAYS.index(text)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if name not in time_zones():
        raise _refused("timezone", "Not a time zone that is known here; write it as in Europe/Berlin, or UTC.")
    return ZoneInfo(name)


def _refused(field: str, rule: str) -> Invalid:
    return Invalid(rule, errors={field: [rule]})
