"""Every error of ours, as one tree. Foreign errors are translated where they enter.

BareboatError
├── Invalid                 a value that breaks a rule                      422
│   ├── UnsafePath          a name or path that could leave its place
│   ├── InvalidGitUrl
│   └── UnreadableKey       not a private key that we can use
├── Unauthenticated         nobody, or a wrong password or token            401
├── Forbidden               somebody, without the right                     403
├── NotFound                                                                404
├── Conflict                a state in the way                              409
│   ├── NameTaken  NodeInUse  KeyInUse  NodeOffline  HostKeyUnpinned  ProjectBusy  WrongState …
├── Throttled               too many requests; try later                    429
├── MasterKeyMissing  MasterKeyUnsafe  SecretUnreadable                     500
├── DatabaseNotCurrent      its tables are older or newer than the code     500
├── NodeError               the node could not be spoken to                 502
│   ├── HostKeyError: HostKeyUnknown  HostKeyMismatch
│   ├── NameNotResolved  ConnectionRefused  NodeUnreachable  ConnectTimeout
│   ├── AuthFailed  ProtocolError  ShellUnusable  NodeBusy
│   └── ConnectionLost      spoken to, then silence: what ran may still run
└── ActFailed               the node answered, and the act did not succeed  502
    ├── ActTimedOut  ActCancelled  OutputLimitExceeded  StopUnconfirmed
    └── (the code says which: see ACT_FAILURES)
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class BareboatError(Exception):
    """Base of all: a stable `code`, a message that says what to do, `errors` by field where there are fields."""

    code = "error"
    message = "Something went wrong."
    retryable = False

    def __init__(self, message: str | None = None, *, errors: Mapping[str, Any] | None = None) -> None:
        self.message = message or type(self).message
        self.errors = dict(errors or {})
        super().__init__(self.message)


class Invalid(BareboatError):
    code = "invalid_value"
    message = "A value is not allowed; see the field's own message."


@contextmanager
def naming(field: str) -> Iterator[None]:
    """An Invalid from inside that names no field is about this one."""
    try:
        yield
    except Invalid as error:
        error.errors = error.errors or {field: [error.message]}
        raise


class UnsafePath(Invalid):
    code = "path_unsafe"
    message = "The path is not a plain relative path inside the project."


class InvalidGitUrl(Invalid):
    code = "git_url_invalid"
    message = "The git address is not one that Bareboat may use."


class UnreadableKey(Invalid):
    code = "key_unreadable"
    message = "This is not a private key that Bareboat can use."


class Unauthenticated(BareboatError):
    code = "unauthenticated"
    message = "Log in, or send a valid API token as 'Authorization: Bearer TOKEN'."


class Forbidden(BareboatError):
    code = "forbidden"
    message = "Your role does not allow this; ask an admin."


class NotFound(BareboatError):
    code = "not_found"
    message = "There is no such thing; it may have been deleted."


class Throttled(BareboatError):
    code = "throttled"
    message = "Too many attempts; wait a minute and try again."


class MasterKeyMissing(BareboatError):
    code = "master_key_missing"
    message = "There is no master key; run 'flask --app wsgi init'."


class MasterKeyUnsafe(BareboatError):
    code = "master_key_unsafe"
    message = "The master key is weak, or others could read or replace it."


class SecretUnreadable(BareboatError):
    code = "secret_unreadable"
    message = "A stored secret does not open: it was changed, or moved here from another row; upload it again."


class DatabaseNotCurrent(BareboatError):
    code = "database_not_current"
    message = "The database is not the one that this version of Bareboat expects."


class Conflict(BareboatError):
    code = "conflict"
    message = "The present state does not allow this."


class NameTaken(Conflict):
    code = "name_taken"
    message = "The name is in use; choose another."


class NodeInUse(Conflict):
    code = "node_in_use"
    message = "The node still has projects; delete them first."


class KeyInUse(Conflict):
    code = "key_in_use"
    message = "The key is in use by a node; give those nodes another key first."


class NodeOffline(Conflict):
    code = "node_offline"
    message = "The node is offline; see its page for the reason."


class NodeCordoned(Conflict):
    code = "node_cordoned"
    message = "The node is cordoned: an admin keeps new work off it."


class HostKeyUnpinned(Conflict):
    code = "host_key_unpinned"
    message = "No host key of this node is pinned; scan the node, compare the fingerprint, and pin it."


class KeyMissing(Conflict):
    code = "key_missing"
    message = "The node has no SSH key; choose one on the node's page."


class ProjectBusy(Conflict):
    code = "project_busy"
    message = "Another job is changing this project; wait for it, or cancel it."


class WrongState(Conflict):
    code = "wrong_state"
    message = "This cannot be done in the present state."


class NodeError(BareboatError):
    """The node could not be spoken to. `code` is also the node's `status_reason`."""

    code = "unreachable"
    message = "The node could not be reached."
    retryable = True


class HostKeyError(NodeError):
    retryable = False


class HostKeyUnknown(HostKeyError):
    code = "host_key_unpinned"
    message = "No host key of this node is pinned; nothing was said to it."


class HostKeyMismatch(HostKeyError):
    """The node offers a key that is not pinned. `offered` is `type base64`, as in known_hosts."""

    code = "host_key_mismatch"
    message = "The node shows another host key than the pinned one; nothing was said to it."

    def __init__(self, message: str | None = None, *, offered: str = "") -> None:
        super().__init__(message)
        self.offered = offered


class NameNotResolved(NodeError):
    code = "dns"
    message = "The node's host name does not resolve."


class ConnectionRefused(NodeError):
    code = "refused"
    message = "The node refuses connections on its SSH port: is sshd running there?"


class NodeUnreachable(NodeError):
    code = "unreachable"
    message = "There is no way to the node: network or host unreachable."


class ConnectTimeout(NodeError):
    code = "timeout"
    message = "The node did not answer in time."


class AuthFailed(NodeError):
    code = "auth_failed"
    message = "The node does not accept the SSH key for this user."
    retryable = False


class ProtocolError(NodeError):
    code = "protocol_error"
    message = "What answers there does not speak SSH as it should."


class ShellUnusable(NodeError):
    code = "protocol_error"
    message = "The account's login does not give us a POSIX shell (nologin, or a forced command?)."
    retryable = False


class NodeBusy(NodeError):
    code = "protocol_error"
    message = "The node takes no further session now (MaxSessions or MaxStartups)."


class ConnectionLost(NodeError):
    code = "connection_lost"
    message = "The connection to the node was lost; what ran there may still run."


class ActFailed(BareboatError):
    """The node answered, and the act did not succeed. `output` is the node's last words, for people."""

    code = "act_failed"
    message = "The act failed on the node; see its log."

    def __init__(
        self,
        code: str | None = None,
        message: str | None = None,
        *,
        exit_status: int | None = None,
        output: str = "",
    ) -> None:
        self.code = code or type(self).code
        super().__init__(message or ACT_FAILURES.get(self.code))
        self.exit_status = exit_status
        self.output = output


class ActTimedOut(ActFailed):
    code = "timed_out"
    message = "The act took longer than its limit and was stopped."
    retryable = True


class ActCancelled(ActFailed):
    code = "cancelled"
    message = "Cancelled; nothing of it runs on the node any more."


class OutputLimitExceeded(ActFailed):
    code = "output_limit"
    message = "The act printed more than the limit and was stopped."


class StopUnconfirmed(ActFailed):
    """`output` holds the process ids that were still alive on the node, with blanks between them."""

    code = "stop_unconfirmed"
    message = "The process could not be proved to have ended; look for it on the node."


ACT_FAILURES: dict[str, str] = {
    "root_missing": "The projects root does not exist on the node; create it (Bareboat never does).",
    "root_unsafe": "The projects root is a link, or group or others may write to it; make it a plain folder, mode 0755 or less.",
    "root_not_writable": "The SSH user may not write to the projects root; mend its owner, or the read-only mount.",
    "disk_full": "The node's disk is full (space or inodes); free some and retry.",
    "git_missing": "git is not installed on the node, or older than 2.20; install it and retry.",
    "path_escape": "The folder on the node is not where it should be (a link?); nothing was touched.",
    "target_exists": "A folder of that name exists on the node and is not ours; move it away, or choose another name.",
    "project_missing": "The project's folder is not on the node any more; delete the project here, or clone it again.",
    "config_tampered": "The repository's own git configuration holds settings that Bareboat did not write; nothing was run.",
    "repository_locked": "A git lock file is left in the repository; if nothing else works there, remove it and retry.",
    "repository_broken": "The repository on the node is damaged; delete the project and clone it again.",
    "git_not_found": "The git server knows no such repository (or hides it without a credential); check the address.",
    "git_auth_failed": "The git server wants a credential, or refuses the one given; the repository may be private.",
    "git_unreachable": "The node cannot reach the git server; check the address, and the network from the node.",
    "git_host_key": "The git server's host key is not known; nothing was sent to it.",
    "git_certificate": "The node does not trust the git server's TLS certificate; mend the certificate, or the node's CA store.",
    "git_redirected": "The git server says that the repository has moved (redirects are not followed); use its new address.",
    "resolver_missing": "The node has no getent to look up names with; install it (libc-bin, or musl-utils) and retry.",
    "git_remote_error": "The git server answered with an error; retry later.",
    "git_address_denied": "The git address leads to a network that is denied here (DENIED_NETWORKS).",
    "ref_not_found": "There is no such branch, tag or commit.",
    "repository_empty": "The repository has no commits, or the address is no git repository.",
    "not_fast_forward": "The branch has diverged from its upstream; nothing was changed.",
    "tree_dirty": "There are changes that are not committed; nothing was changed.",
    "work_unpushed": "There is work that exists only here; nothing was deleted.",
    "no_upstream": "No branch is checked out, or it has no upstream; check out a branch first.",
    "folder_missing": "There is no such folder in the project.",
    "command_failed": "The command ended with an exit status other than 0; see its output in the log.",
    "git_failed": "git failed; its last lines are in the log.",
    "setsid_missing": "The node has no setsid; install it (util-linux, or busybox) and retry.",
    "proc_missing": "The node has no /proc that can be read; mount it and retry.",
    "process_lost": "The process is gone from the node without an outcome (a reboot, or it was killed); look, then retry.",
    "stop_unconfirmed": "The process could not be proved to have ended; its process ids are in the message.",
    "cancelled_before_start": "Cancelled before it started; nothing was done on the node.",
    "internal_error": "A fault in Bareboat itself; the controller's log has the details.",
    "interrupted": "The controller stopped while the job ran; look at the project's status, then retry.",
}
