"""Words and numbers for people: states, reasons, sizes, times. What comes from nodes is made harmless here."""

import math
import shlex
from datetime import UTC, datetime
from typing import Any, Final

from flask import Flask, current_app
from markupsafe import Markup

from app.edge.identity import may
from app.plurals import counted
from app.redaction import printable
from app.services.kind_roles import role_for
from app.services.schedules import next_local_time
from app.web.browsers import browser_name

NODE_STATUSES: Final = ("ONLINE", "OFFLINE", "UNKNOWN")
PROJECT_STATUSES: Final = ("ACTIVE", "SYNCING", "PENDING", "ERROR", "DELETING")
RUN_STATES: Final = ("RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")
MEMBER_STATES: Final = ("waiting", "running", "ok", "changed", "failed", "unreachable", "skipped")
JOB_STATES: Final = ("QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT")

KINDS: Final = {
    "project.clone": "Clone",
    "project.pull": "Pull",
    "project.checkout": "Check out",
    "project.command": "Command",
    "project.playbook": "Playbook",
    "node.playbook": "Playbook on a node",
    "node.rotate_key": "Change SSH key",
    "project.delete": "Delete",
    "project.forget": "Forget",
    "project.restore": "Restore",
    "project.undo": "Undo",
    "trash.purge": "Delete for good",
}
PHASES: Final = {
    "remote": "The git server is preparing",
    "receiving": "Receiving objects",
    "resolving": "Resolving deltas",
    "checkout": "Checking out files",
    "submodules": "Fetching submodules",
    "running": "Running",
}
REASONS: Final = {
    "host_key_unpinned": "no host key is pinned yet",
    "host_key_mismatch": "it shows another host key than the pinned one",
    "dns": "its host name does not resolve",
    "refused": "it refuses connections on its SSH port",
    "unreachable": "there is no way to it",
    "timeout": "it does not answer in time",
    "auth_failed": "it does not accept the SSH key",
    "protocol_error": "what answers there does not speak SSH as it should",
    "git_missing": "git is missing or too old there",
    "root_missing": "its projects root does not exist",
    "root_unsafe": "its projects root is a link, or others may write to it",
    "root_unmarked": "its projects root is not the one of before; a disk may not be mounted",
    "root_not_writable": "its projects root is not writable",
}
_WHY_NO_WORK: Final = {
    "host_key_unpinned": "no host key pinned",
    "key_missing": "no SSH key chosen",
    "node_cordoned": "cordoned",
}
OUTCOMES: Final = {
    "waiting": "waits for the project",
    "queued": "asked for",
    "skipped_overlap": "skipped: the project was busy",
    "skipped_missed": "skipped: it was missed during a downtime",
    "refused": "refused",
    "cancelled": "cancelled: the schedule was turned off",
}
DRIFT_FLAGS: Final = {
    "no_answer": "No answer",
    "error": "Error",
    "diverged": "Diverged",
    "other_branch": "Other branch",
    "ahead": "Commits of its own",
    "behind": "Behind",
    "dirty": "Dirty",
    "offline": "Offline",
}
HOOK_OUTCOMES: Final = {
    "queued": "pull asked for",
    "joined": "joined a pull that waited",
    "waiting": "pull remembered",
    "refused": "refused",
    "ignored": "nothing to do",
    "unsigned": "refused: not signed with the secret",
    "replayed": "refused: received before",
    "unreadable": "refused: not readable",
}
TOLD_EVENTS: Final = {
    "node.offline": "a node goes offline",
    "node.quarantined": "a node shows another host key",
    "node.online": "a node is online again",
    "job.failed": "a job fails",
    "job.recovered": "what failed works again",
    "schedule.failing": "a schedule begins to fail",
    "schedule.recovered": "a schedule works again",
    "test": "test",
}
CHANNEL_KINDS: Final = {"json": "JSON", "slack": "Slack form", "email": "e-mail"}
FORGES: Final = {"github": "GitHub", "gitlab": "GitLab", "gitea": "Gitea"}
EVENT_OUTCOMES: Final = {"ok": "Done", "requested": "Asked for", "refused": "Refused"}
_SYMBOLS: Final = {
    "ONLINE": "●", "ACTIVE": "●", "SUCCEEDED": "●", "DELIVERED": "●",
    "OFFLINE": "■", "ERROR": "▲", "FAILED": "▲", "TIMED_OUT": "▲",
    "SYNCING": "◐", "RUNNING": "◐", "DELETING": "◐",
    "ok": "●", "changed": "◆", "failed": "▲", "unreachable": "■", "skipped": "–", "running": "◐",
    "no_answer": "■", "error": "▲", "diverged": "▲", "other_branch": "◆", "ahead": "◆", "behind": "▼", "dirty": "◆",
    "offline": "■", "UNKNOWN": "○", "PENDING": "○", "QUEUED": "○", "CANCELLED": "–",
}  # fmt: skip
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SPANS: Final = ((86_400 * 2, 86_400, "days"), (3600 * 2, 3600, "hours"), (60 * 2, 60, "minutes"))


def init_app(app: Flask) -> None:
    """Every text that a template prints goes through `harmless`, so that no page can forget it."""
    app.jinja_env.finalize = harmless
    app.jinja_env.filters.update(
        ago=ago, span=span, size=size, moment=moment, reason=reason, phase=phase, symbol=symbol, word=word
    )
    app.jinja_env.filters.update(words=shlex.join, literal=literal, held=held)
    app.jinja_env.filters.update(hook_outcome=hook_outcome, forge=forge, drift_flag=drift_flag)
    app.jinja_env.filters.update(told_event=told_event, channel_kind=channel_kind)
    app.jinja_env.filters.update(outcome=outcome, until=until, local_time=local_time)
    app.jinja_env.filters.update(sentence=sentence, details=details, event_outcome=event_outcome)
    app.jinja_env.filters.update(counted=counted, browser=browser_name)
    app.context_processor(_for_every_page)


def harmless(value: Any) -> Any:
    """Control characters that could steer or reorder what is shown become visible; markup of ours stays as it is."""
    if value is None:
        return ""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def literal(value: Any) -> str:
    """As in a playbook: a text in quotes, true and false in small letters."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def why_no_work(code: str, status_reason: str | None) -> str:
    """A few words for a choice that cannot be chosen."""
    if code == "node_offline":
        return f"offline: {reason(status_reason)}" if status_reason else "offline"
    return _WHY_NO_WORK.get(code, code)


def reason(code: str | None) -> str:
    return REASONS.get(code, code.replace("_", " ")) if code else ""


def held(waiting_for: str | None) -> str:
    """Why a job has not started."""
    if waiting_for == "node_offline":
        return "held: the node is offline"
    return f"held: {reason(waiting_for)}" if waiting_for in REASONS else "waiting for its turn"


def sentence(message: str | None) -> str:
    """The first line of a failure's message, which is ours; what follows are the node's own words."""
    return (message or "").partition("\n")[0]


def details(message: str | None) -> str:
    return (message or "").partition("\n")[2].strip("\n")


def drift_flag(name: str) -> str:
    return DRIFT_FLAGS.get(name, word(name))


def event_outcome(code: str) -> str:
    return EVENT_OUTCOMES.get(code, word(code))


def phase(code: str | None) -> str:
    return PHASES.get(code, code.replace("_", " ").capitalize()) if code else ""


def word(state: str) -> str:
    """`TIMED_OUT` as `Timed out`."""
    return str(state).replace("_", " ").capitalize()


def symbol(state: str) -> str:
    """A shape beside the colour, for those who do not see colours."""
    return _SYMBOLS.get(str(state), "○")


def size(count: float | None) -> str:
    """Bytes in the unit that reads best; nothing known is a dash."""
    if count is None:
        return "–"
    power = min(int(math.log(count, 1024)), len(_UNITS) - 1) if count >= 1 else 0
    shown = count / 1024**power
    return f"{shown:.0f} {_UNITS[power]}" if power == 0 or shown >= 100 else f"{shown:.1f} {_UNITS[power]}"


def ago(at: datetime | None) -> str:
    if at is None:
        return "never"
    seconds = (datetime.now(UTC) - at).total_seconds()
    return "just now" if seconds < 5 else f"{span(seconds)} ago"


def until(at: datetime | None) -> str:
    """How far ahead: `in 3 hours`."""
    if at is None:
        return "never"
    seconds = (at - datetime.now(UTC)).total_seconds()
    return "now" if seconds < 1 else f"in {span(seconds)}"


def outcome(code: str) -> str:
    return OUTCOMES.get(code, word(code))


def hook_outcome(code: str) -> str:
    return HOOK_OUTCOMES.get(code, word(code))


def forge(code: str) -> str:
    return FORGES.get(code, code)


def told_event(code: str) -> str:
    return TOLD_EVENTS.get(code, code)


def channel_kind(code: str) -> str:
    return CHANNEL_KINDS.get(code, code)


def local_time(schedule: Any) -> str:
    """The next due time by the clock of its zone: `Mon 2027-03-01 04:30`."""
    at = next_local_time(schedule)
    return at.strftime("%a %Y-%m-%d %H:%M") if at else "–"


def span(seconds: float | None) -> str:
    """A length of time in one unit: `41 seconds`, `3 minutes`, `2 days`."""
    if seconds is None:
        return "–"
    seconds = max(seconds, 0.0)
    for least, unit, name in _SPANS:
        if seconds >= least:
            return f"{seconds / unit:.0f} {name}"
    return counted(round(seconds), "second")


def moment(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "–"


def _for_every_page() -> dict[str, Any]:
    return {"may": may, "role_for": role_for, "is_demo": bool(current_app.config["DEMO"])}
