"""GitAccess: what one git call may show to the server of its address, and how that server must prove itself.

A token is in the environment of that call, and a helper that is tied to scheme, host and port hands it to git: whatever
a redirect or a rewritten address leads to gets nothing. Of an SSH key only the public half is named here; the private
one stays in an agent of ours. What ssh reads is written to the job's own folder by `programs/git.sh`: none of it is
secret.
"""

import re
import shlex
from dataclasses import dataclass
from typing import Final

from app.commands.giturl import GitUrl
from app.commands.paths import JobKey
from app.errors import UnsafePath
from app.secrets import Secret

NO_FILE: Final = "/dev/null"
_PLAIN_FILE: Final = re.compile(r"/[A-Za-z0-9._/-]+")
_USER: Final = "BAREBOAT_GIT_USER"
_TOKEN: Final = "BAREBOAT_GIT_TOKEN"  # noqa: S105 - a name
_HELPER: Final = f"""!f() {{ test "$1" != get || printf 'username=%s\\npassword=%s\\n' "${_USER}" "${_TOKEN}"; }}; f"""


@dataclass(frozen=True, slots=True)
class GitAccess:
    """`token` goes with https, `public_key` (`type base64`) with ssh; `host_keys` are the only ones that ssh trusts."""

    username: str = ""
    token: Secret | None = None
    public_key: str = ""
    host_keys: tuple[str, ...] = ()


NO_ACCESS: Final = GitAccess()


def token_settings(url: GitUrl | None, access: GitAccess) -> list[tuple[str, str]]:
    """Behind an empty `credential.helper`, which drops all others. Nothing for any scheme but https."""
    if url is None or access.token is None or url.scheme != "https":
        return []
    host = f"[{url.host}]" if ":" in url.host else url.host
    return [(f"credential.https://{host}:{url.effective_port}.helper", _HELPER)]


def access_variables(url: GitUrl | None, access: GitAccess) -> dict[str, str | Secret]:
    if url is None:
        return {}
    if url.scheme == "https" and access.token is not None:
        return {_USER: access.username, _TOKEN: access.token}
    if url.scheme == "ssh" and access.host_keys:
        lines = "\n".join(f"{url.host.lower()} {key}" for key in access.host_keys)
        return {"BAREBOAT_KNOWN_HOSTS": lines, "BAREBOAT_PUBLIC_KEY": access.public_key}
    return {}


def ssh_folder(root: str, job_key: str | None, url: GitUrl | None, access: GitAccess) -> str | None:
    """The job's own folder, where ssh finds what it is to trust; None where it trusts nobody.

    Raises UnsafePath for a projects root with characters that ssh would expand or split at.
    """
    if url is None or url.scheme != "ssh" or not access.host_keys or job_key is None:
        return None
    if not _PLAIN_FILE.fullmatch(root):
        raise UnsafePath("For ssh addresses the projects root may have only letters, digits and . _ - / in its path.")
    return f"{root}/.bareboat/jobs/{JobKey(job_key)}"


def ssh_options(url: GitUrl | None, access: GitAccess, folder: str | None) -> list[str]:
    """Which key may be offered: the agent's, or none; never those that lie about in the node's account."""
    if folder is None or not access.public_key:
        return _options("IdentityAgent=none", "IdentityFile=none")
    words = _options("IdentityAgent=SSH_AUTH_SOCK", f"IdentityFile={folder}/identity.pub")
    return words if url is None or url.user is not None else [*words, *_options(f"User={access.username}")]


def plain_file(path: str) -> str:
    """ssh splits this option at blanks and expands %; so neither is in it."""
    if not _PLAIN_FILE.fullmatch(path):
        raise ValueError(f"{path!r} is no plain absolute path for a known_hosts file")
    return path


def _options(*options: str) -> list[str]:
    return [f"-o {shlex.quote(option)}" for option in options]
