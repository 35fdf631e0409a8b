"""What a browser calls itself, in two words for people. A table is enough: the whole of it stands beside it."""

from typing import Final

# The first that is in the text counts: who imitates others comes before them.
_PROGRAMS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("HeadlessChrome/", "Chrome without a window"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-requests/", "Python"),
    ("Python-urllib/", "Python"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("OpenBSD", "OpenBSD"),
    ("Linux", "Linux"),
)


def browser_name(told: str | None) -> str:
    """`Firefox on Linux`; what is not known stays as it came, shortened."""
    if not told:
        return "a browser that does not say"
    program, system = _first(_PROGRAMS, told), _first(_SYSTEMS, told)
    if program is None:
        return told if len(told) <= 40 else f"{told[:39]}…"
    return f"{program} on {system}" if system else program


def _first(table: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for mark, name in table if mark in text), None)
