"""Access: what an act may use of a git credential, with no row in it; and what a refusal then means."""

from dataclasses import dataclass
from typing import Final

from app.commands.gitaccess import NO_ACCESS, GitAccess
from app.commands.giturl import GitUrl
from app.errors import ActFailed
from app.secrets import Secret
from app.ssh.agent import KeyAgent

MAX_SIGNATURES: Final = 4  # a fetch logs in once, and once more for tags
MAX_SIGNATURES_WITH_SUBMODULES: Final = 100


@dataclass(frozen=True, slots=True)
class Access:
    """`credential` is its name. `private_key` stays here; `user` is who it logs in as at the git server."""

    credential: str | None = None
    git: GitAccess = NO_ACCESS
    private_key: Secret | None = None
    user: str = ""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must not be in a log, whoever sends it back."""
        return (self.git.token,) if self.git.token is not None else ()

    def make_agent(self, *, submodules: bool) -> KeyAgent | None:
        if self.private_key is None:
            return None
        most = MAX_SIGNATURES_WITH_SUBMODULES if submodules else MAX_SIGNATURES
        return KeyAgent(self.private_key, self.user, self.git.host_keys, most)

    def explained(self, error: ActFailed, url: GitUrl) -> ActFailed:
        """The same failure, with the credential or the host key that it is about, and what to do."""
        words = {
            "git_auth_failed": self._refused(url),
            "git_host_key": unpinned(url, is_known=bool(self.git.host_keys)),
        }
        if error.code not in words:
            return error
        message = "\n".join(filter(None, (words[error.code], error.output)))
        return ActFailed(error.code, message, exit_status=error.exit_status, output=error.output, details=error.details)

    def _refused(self, url: GitUrl) -> str:
        if self.credential is None:
            return f"{url.host} wants a credential: an admin adds one for this host, then choose it for the project."
        what = (
            "its key, which may not be a deploy key of" if self.private_key else "its token, which may have no right to"
        )
        return f"{url.host} refuses the git credential {self.credential!r}: {what} this repository, or be withdrawn."


NOBODY: Final = Access()


def ensure_host_known(access: Access, url: GitUrl) -> None:
    """Before anything is said to anybody. Raises ActFailed `git_host_key`."""
    if url.scheme == "ssh" and not access.git.host_keys:
        raise ActFailed("git_host_key", unpinned(url, is_known=False))


def unpinned(url: GitUrl, *, is_known: bool) -> str:
    place = url.host if url.effective_port == 22 else f"{url.host} (port {url.effective_port})"
    what = f"{place} shows another host key than the pinned ones" if is_known else f"No host key of {place} is pinned"
    return (
        f"{what}; nothing was sent to it. An admin scans it, compares the fingerprint with what its operator "
        "publishes, and pins it: page 'Git servers', or 'git-host scan' and 'git-host pin'. Then retry."
    )
