"""The surroundings of every git call on a node: no prompt, no hook, no foreign configuration, only allowed schemes.

git reads the settings through GIT_CONFIG_COUNT (2.31+); `programs/git.sh` hands them to older ones in another way.
"""

import ipaddress
import shlex
from collections.abc import Iterable, Mapping
from typing import Final

from app.commands.gitaccess import (
    NO_ACCESS,
    NO_FILE,
    GitAccess,
    access_variables,
    plain_file,
    ssh_folder,
    ssh_options,
    token_settings,
)
from app.commands.giturl import DEFAULT_PORTS, GitUrl
from app.secrets import Secret

# Hooks can also be defined by configuration since git 2.54; those of each event are switched off by name.
_HOOK_EVENTS: Final = (
    "post-checkout",
    "post-merge",
    "post-index-change",
    "reference-transaction",
    "pre-auto-gc",
    "post-rewrite",
    "pre-rebase",
    "pre-commit",
    "pre-merge-commit",
    "fsmonitor-watchman",
)

_SETTINGS: Final[tuple[tuple[str, str], ...]] = (
    ("core.hooksPath", NO_FILE),
    *((f"hook.{event}.enabled", "false") for event in _HOOK_EVENTS),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("core.askPass", ""),
    ("core.pager", "cat"),
    ("safe.bareRepository", "explicit"),
    ("protocol.ext.allow", "never"),
    ("protocol.file.allow", "never"),
    ("submodule.recurse", "false"),
    ("diff.ignoreSubmodules", "all"),
    ("fetch.recurseSubmodules", "false"),
    ("transfer.fsckObjects", "true"),
    ("fetch.fsck.badTimezone", "ignore"),
    ("fetch.fsck.missingSpaceBeforeDate", "ignore"),
    ("fetch.fsck.zeroPaddedFilemode", "ignore"),
    ("transfer.bundleURI", "false"),
    ("transfer.credentialsInUrl", "die"),
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("http.proxy", ""),
    ("credential.helper", ""),
    ("init.templateDir", ""),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("log.showSignature", "false"),
    ("advice.detachedHead", "false"),
    ("checkout.workers", "4"),  # 2.32+, from a hundred files on; a checkout waits for the disk more than it computes
)

_VARIABLES: Final[Mapping[str, str]] = {
    "HOME": NO_FILE,  # git before 2.32 knows no GIT_CONFIG_GLOBAL; and curl would read ~/.netrc
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": NO_FILE,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_PROGRESS_DELAY": "0",
    "GIT_ADVICE": "0",
    # Who a commit of `git stash create` is by; nothing else here makes one.
    "GIT_AUTHOR_NAME": "Bareboat",
    "GIT_AUTHOR_EMAIL": "bareboat@localhost",
    "GIT_COMMITTER_NAME": "Bareboat",
    "GIT_COMMITTER_EMAIL": "bareboat@localhost",
}

_SSH_OPTIONS: Final = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=none",
    "IdentitiesOnly=yes",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ProxyCommand=none",
    "ControlPath=none",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
)

# What `git config --list --name-only` may show, one key a line: what our own clone writes, then what people set by
# hand without harm. A remote named like an address would redirect that address, so names of remotes are plain.
CONFIG_KEYS: Final = "|".join(
    (
        r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks)",
        r"extensions\.(objectformat|refstorage)",
        r"remote\.[A-Za-z0-9][A-Za-z0-9._-]*\.(url|fetch|tagopt|pushurl)",
        r"branch\..+\.(remote|merge|rebase|description|pushremote)",
        r"submodule\..+\.(url|active)",
        r"user\.(name|email|signingkey)",
        r"pull\.(ff|rebase)",
        r"push\.(default|autosetupremote)",
        r"rerere\.(enabled|autoupdate)",
        r"color\.[a-z.]+",
    )
)


def git_environment(
    root: str,
    *,
    url: GitUrl | None = None,
    allowed_schemes: Iterable[str] = (),
    pinned_address: str | None = None,
    access: GitAccess = NO_ACCESS,
    job_key: str | None = None,
) -> dict[str, str | Secret]:
    """Everything a git program needs. Without schemes no transport is allowed at all.

    `pinned_address` is the address that `url`'s host was checked to have; git then asks no name server (https and
    http: git 2.37 and later; git:// knows no pin). `access` to ssh needs a durable process of the key `job_key`.
    """
    settings = [*_SETTINGS, *_pins(url, pinned_address), *_fence(url), *token_settings(url, access)]
    folder = ssh_folder(root, job_key, url, access)
    return {
        **_VARIABLES,
        "GIT_CEILING_DIRECTORIES": root,
        "GIT_ALLOW_PROTOCOL": ":".join(_transports(url, allowed_schemes)),
        "GIT_SSH_COMMAND": ssh_command(folder, url=url, pinned_address=pinned_address, access=access),
        "BAREBOAT_CONFIG_KEYS": CONFIG_KEYS,
        "GIT_CONFIG_COUNT": str(len(settings)),
        **{f"GIT_CONFIG_KEY_{index}": key for index, (key, _) in enumerate(settings)},
        **{f"GIT_CONFIG_VALUE_{index}": value for index, (_, value) in enumerate(settings)},
        **access_variables(url, access),
    }


def ssh_command(
    folder: str | None = None,
    *,
    url: GitUrl | None = None,
    pinned_address: str | None = None,
    access: GitAccess = NO_ACCESS,
) -> str:
    """What git runs (through a shell) for ssh addresses; `folder` holds the known_hosts file. Without it no host is
    trusted."""
    options = [f"UserKnownHostsFile={plain_file(f'{folder}/known_hosts') if folder else NO_FILE}", *_SSH_OPTIONS]
    words = ["ssh", "-F", "none", "-T", *(f"-o {shlex.quote(option)}" for option in options)]
    words += ssh_options(url, access, folder)
    return " ".join([*words, *_way(url, pinned_address, folder)])


def _way(url: GitUrl | None, pinned_address: str | None, folder: str | None) -> list[str]:
    """To the checked address, whatever a submodule names, under the name that known_hosts has."""
    if url is None or url.scheme != "ssh":
        return []
    address = pinned_address or (str(url.address) if url.address is not None else None)
    words = [f"-o {shlex.quote(f'HostName={_address(address)}')}"] if address is not None else []
    alias = shlex.quote(f"HostKeyAlias={url.host.lower()}")
    return [*words, f"-o {alias}"] if words or folder is not None else []


def _pins(url: GitUrl | None, address: str | None) -> list[tuple[str, str]]:
    if url is None or address is None or url.scheme not in ("https", "http") or url.address is not None:
        return []
    plain = _address(address)
    return [("http.curloptResolve", f"{url.host}:{url.effective_port}:{f'[{plain}]' if ':' in plain else plain}")]


def _transports(url: GitUrl | None, allowed_schemes: Iterable[str]) -> list[str]:
    """The scheme of the address alone, also for submodules; never `file` or `ext`, whatever a setting says."""
    known = [scheme for scheme in allowed_schemes if scheme in DEFAULT_PORTS]
    return known if url is None else [scheme for scheme in known if scheme == url.scheme]


def _fence(url: GitUrl | None) -> list[tuple[str, str]]:
    """Keeps git, with the submodules of a repository, at the host and port that were checked.

    What begins otherwise is rewritten to a transport that is never allowed; of several rewrites git takes the longest.
    The scp form has no prefix to rewrite: it is ssh, whose pin leads every name to the checked address.
    """
    if url is None or "://" not in url.text:
        return []
    checked = url.text.removesuffix(url.path) + "/"
    refused = [("url.another-host://.insteadOf", f"{scheme}://") for scheme in DEFAULT_PORTS]
    return [*refused, (f"url.{checked}.insteadOf", checked)]


def _address(text: str) -> str:
    """As an address is written; ValueError for what is none, or has a zone, which may be any text."""
    address = ipaddress.ip_address(text)
    if "%" in text:
        raise ValueError(f"{text!r} is no plain address")
    return str(address)
