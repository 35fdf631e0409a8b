"""Why git failed, as a code of `app.errors.ACT_FAILURES`.

git ends nearly every failure with status 128 (1 for some), so its words are the last resort: our programs' own exit
statuses (`programs.REFUSALS`) come first, and only then one table of texts, read in the C locale. What a server says
through git (`remote: …`) is asked last of all and can only turn a general code into a more exact one.
"""

import re
from collections.abc import Iterable
from typing import Final

from app.commands.programs import REFUSALS

TAIL_BYTES: Final = 64 * 1024

# The first row that matches decides, so the exact causes stand before the general ones that git prints after them.
_CAUSES: Final[tuple[tuple[str, str], ...]] = (
    ("disk_full", r"No space left on device|Disk quota exceeded|file write error|disk full"),
    ("repository_too_large", r"File too large"),  # the limit of one file: `programs/size.sh`
    # Stands before what the transfer then says of its own breaking off.
    ("git_objects_refused", r"fsck error in packed object|invalid path '|suspicious submodule name"),
    ("root_not_writable", r"Read-only file system|could not create (?:work tree dir|leading director)"),
    ("repository_locked", r"Unable to create '.*\.lock': File exists|cannot lock ref|Another git process seems"),
    ("tree_dirty", r"would be overwritten by (?:merge|checkout)|would lose untracked files"),
    ("git_host_key", r"Host key verification failed|REMOTE HOST IDENTIFICATION|host key is known for|No .* host key"),
    ("git_certificate", r"certificate problem|certificate verif|SSL certificate|certificate has expired"),
    ("git_redirected", r"requested URL returned error: 30[12378]|unable to update url base from redirection"),
    ("git_auth_failed", r"could not read (?:Username|Password)|Authentication failed|returned error: 40[137]"),
    ("git_auth_failed", r"Permission denied \(|Too many authentication failures|no mutual signature"),
    ("git_not_found", r"repository '.*' not found|returned error: 4(?:04|10)|Repository not found"),
    ("git_not_found", r"not exported|does not appear to be a git repository|no such repository"),
    ("git_remote_error", r"returned error: (?:[5]\d\d|429)|not valid: is this a git repository|info/refs not valid"),
    ("git_unreachable", r"Could not resolve (?:host|proxy)|Unable to look up|Name or service not known"),
    ("git_unreachable", r"Temporary failure in name resolution|unable to connect|Failed to connect|Connection refused"),
    ("git_unreachable", r"timed out|Network is unreachable|No route to host|Couldn't connect|Operation too slow"),
    ("ref_not_found", r"Remote branch .* not found|couldn't find remote ref|did not match any file"),
    ("git_address_denied", r"transport '.*' not allowed"),
    (
        "repository_broken",
        r"not a git repository|bad object|object file .* is (?:empty|corrupt)|loose object|index file",
    ),
    ("git_remote_error", r"hung up|unexpected disconnect|early EOF|RPC failed|protocol error|bad line length"),
    ("git_remote_error", r"Empty reply|transfer closed|Recv failure|Connection reset|bad band|remote error"),
    ("git_remote_error", r"Could not read from remote repository|unable to access"),
)
_TABLE: Final = tuple((code, re.compile(pattern, re.IGNORECASE)) for code, pattern in _CAUSES)
_SERVER: Final = re.compile(r"(?:remote: |ERROR: )")
_SERVER_TABLE: Final = (
    ("git_not_found", re.compile(r"not found|could not be found|does not exist|not exported", re.IGNORECASE)),
    ("git_auth_failed", re.compile(r"denied|forbidden|unauthori[sz]ed|authentication|credential", re.IGNORECASE)),
)
_GENERAL: Final = frozenset({"git_remote_error", "git_failed"})


def code_of(exit_status: int | None, stderr: bytes) -> str:
    """The code for a git program that ended so; `git_failed` when nothing is known."""
    if exit_status is not None and exit_status in REFUSALS:
        return REFUSALS[exit_status]
    lines = re.split(r"[\r\n]+", stderr[-TAIL_BYTES:].decode("utf-8", "replace"))
    code = _first(_TABLE, [line for line in lines if not _SERVER.match(line)]) or "git_failed"
    if code in _GENERAL:
        return _first(_SERVER_TABLE, [line for line in lines if _SERVER.match(line)]) or code
    return code


def _first(table: Iterable[tuple[str, re.Pattern[str]]], lines: list[str]) -> str | None:
    return next((code for code, pattern in table if any(pattern.search(line) for line in lines)), None)
