"""The shell programs in `programs/*.sh`, and what their exit statuses mean.

A program is the text of its file, behind the text of `git.sh` where it speaks to git. Comments are for us: they are
not sent. Every program takes its values as `"$1"` … and the environment.
"""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

# Above what git (1, 128, 129), timeout (124 to 127, 137) and signals (128 + n) use; one meaning in all programs.
REFUSALS: Final[Mapping[int, str]] = MappingProxyType(
    {
        70: "root_unsafe",
        71: "root_not_writable",
        72: "disk_full",
        73: "git_missing",
        74: "target_exists",
        75: "path_escape",
        76: "repository_empty",
        77: "config_tampered",
        78: "repository_locked",
        79: "tree_dirty",
        80: "not_fast_forward",
        81: "no_upstream",
        82: "ref_not_found",
        83: "work_unpushed",
        84: "repository_broken",
        85: "resolver_missing",
        86: "setsid_missing",
        87: "proc_missing",
        88: "agent_refused",
        89: "remote_unasked",
        90: "trash_stuck",
        91: "trash_missing",
        92: "pull_conflict",
        93: "recovery_missing",
        94: "keys_unsafe",
        95: "key_line_missing",
        96: "keys_changed",
        97: "repository_too_large",
        98: "repository_unsafe",
        99: "root_unmarked",
    }
)


def load_program(*names: str) -> str:
    """The files of these names as one text, comments and empty lines left out. Reads package data; call at import."""
    return "\n".join(line for name in names for line in _lines(name))


def _lines(name: str) -> list[str]:
    text = files("app.commands").joinpath("programs", f"{name}.sh").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
