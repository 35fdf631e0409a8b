"""Every error of ours, as one tree. Foreign errors are translated where they enter.

BareboatError
├── Invalid                 a value that breaks a rule                      422
│   ├── UnsafePath          a name or path that could leave its place
│   ├── InvalidGitUrl
│   └── UnreadableKey       not a private key that we can use
├── Unauthenticated         nobody, or a wrong password or token            401
├── Forbidden: CommandNotAllowed   somebody, without the right              403
├── NotFound                                                                404
├── Conflict                a state in the way                              409
│   ├── NameTaken  NodeInUse  KeyInUse  CredentialInUse  NodeOffline  NodeCordoned
│   │   HostKeyUnpinned  KeyMissing  ProjectBusy  WrongState
├── Throttled               too many requests; try later                    429
├── MasterKeyMissing  MasterKeyUnsafe  SecretUnreadable  DatabaseNotCurrent 500
├── NodeError               the node could not be spoken to                 502
│   ├── HostKeyError: HostKeyUnknown  HostKeyMismatch
│   ├── NameNotResolved  ConnectionRefused  NodeUnreachable  ConnectTimeout
│   ├── AuthFailed  ProtocolError  ShellUnusable  NodeBusy  ShuttingDown
│   └── ConnectionLost      spoken to, then silence: what ran may still run
├── LeaseLost               another runner has the job; never shown     500
└── ActFailed               the node answered, and the act did not succeed  502
    ├── ActTimedOut  ActCancelled  OutputLimitExceeded  StopUnconfirmed
    └── (the code says which: see app.failures)
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app.failures import ACT_FAILURES as ACT_FAILURES
from app.failures import RETRYABLE_FAILURES


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


class CommandNotAllowed(Forbidden):
    code = "command_not_allowed"
    message = "This program may not be run here; see ALLOWED_COMMANDS."


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


class CredentialInUse(Conflict):
    code = "credential_in_use"
    message = "The git credential is in use by a project; give those projects another one first."


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


class LeaseLost(BareboatError):
    code = "lease_lost"
    message = "Another runner has taken this job up; this one leaves it alone."


class ShuttingDown(NodeError):
    code = "shutting_down"
    message = "Bareboat is stopping; what runs on the node goes on, and is found again at the next start."
    retryable = False


class ActFailed(BareboatError):
    """The node answered, and the act did not succeed. `output` is the node's last words, for people."""

    code = "act_failed"
    message = "The act failed on the node; see its log."

    def __init__(
        self, code: str | None = None, message: str | None = None, *, exit_status: int | None = None, output: str = ""
    ) -> None:
        self.code = code or type(self).code
        super().__init__(message or ACT_FAILURES.get(self.code))
        self.retryable = self.code in RETRYABLE_FAILURES
        self.exit_status = exit_status
        self.output = output


class ActTimedOut(ActFailed):
    code = "timed_out"
    message = "The act took longer than its limit and was stopped."


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
