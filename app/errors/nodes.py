"""The node could not be spoken to, or not to the end."""

from app.errors.base import BareboatError


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
    """A node offers a key that is not pinned. `offered` is `type base64`, as in known_hosts; `who` is the node, which
    may be a jump host on the way."""

    code = "host_key_mismatch"
    message = "The node shows another host key than the pinned one; nothing was said to it."

    def __init__(self, message: str | None = None, *, offered: str = "", who: str = "") -> None:
        super().__init__(message)
        self.offered, self.who = offered, who


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


class ShuttingDown(NodeError):
    code = "shutting_down"
    message = "Bareboat is stopping; what runs on the node goes on, and is found again at the next start."
    retryable = False
