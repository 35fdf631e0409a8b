"""Key exchange and login on an open socket, each within its limit; what paramiko raises there becomes ours here."""

import io
import threading
from typing import Any, Final
from weakref import WeakValueDictionary

import paramiko
from paramiko.pkey import PublicBlob

from app.errors import AuthFailed, ConnectTimeout, NodeError, ProtocolError, UnreadableKey
from app.secrets import Secret
from app.ssh.deadline import Deadline
from app.ssh.hardening import HardenedTransport
from app.ssh.hostkeys import HostKeyLine, host_key_from_blob
from app.ssh.target import Limits, Target

_keys_in_use: Final[WeakValueDictionary[Secret, paramiko.PKey]] = WeakValueDictionary()


def exchange_keys(transport: HardenedTransport, who: str, limits: Limits, deadline: Deadline) -> None:
    """Greeting and key exchange. Raises ConnectTimeout, ProtocolError, or what the host key's judge raised.

    The waiting is done here, outside the thread that reads: whatever the node sends or does not send, this returns in
    time. The caller closes the transport when this raises.
    """
    done = threading.Event()
    transport.start_client(event=done)
    done.wait(deadline.left(limits.banner))
    if not transport.initial_kex_done:
        raise _unexchanged(transport, who)


def log_in(transport: HardenedTransport, target: Target, key: paramiko.PKey, deadline: Deadline) -> None:
    """Greeting, key exchange, and one attempt with one key. Raises as `exchange_keys` does, and AuthFailed.

    Nobody is woken between the two, so the login may also have what the key exchange leaves of its time.
    """
    decided = transport.start_login(target.user, key)
    is_decided = decided.wait(deadline.left(target.limits.banner))
    if not transport.initial_kex_done:
        raise _unexchanged(transport, str(target))
    if not is_decided and not decided.wait(deadline.left(target.limits.auth)):
        raise ConnectTimeout(f"{target} did not finish the login in time; is it overloaded?")
    if not transport.is_authenticated():
        raise _login_failure(transport.get_exception(), target)


def load_private_key(text: Secret) -> paramiko.PKey:
    """From OpenSSH or PEM text without passphrase; never from a file. Raises UnreadableKey.

    One object for all connections that are logged in with it; it is forgotten with the last of them.
    """
    key = _keys_in_use.get(text)
    if key is None:
        key = _keys_in_use[text] = _read_private_key(text)
    return key


def show_host_key(
    sock: Any, algorithms: tuple[str, ...], who: str, limits: Limits, deadline: Deadline
) -> tuple[HostKeyLine | None, tuple[str, ...]]:
    """Exchange keys only, then hang up: the key shown (None when none of these is offered) and all types on offer."""
    transport = HardenedTransport(sock, algorithms, lambda _: None, limits.auth)
    try:
        exchange_keys(transport, who, limits, deadline)
        return host_key_from_blob(transport.host_key.asbytes()), transport.offered_algorithms
    except IncompatiblePeer:
        if set(transport.offered_algorithms) & set(algorithms):
            raise
        return None, transport.offered_algorithms
    finally:
        transport.close()


class IncompatiblePeer(ProtocolError):
    """There is no algorithm that both sides allow."""


def _read_private_key(text: Secret) -> paramiko.PKey:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            key = kind.from_private_key(io.StringIO(text.reveal()))
            key.public_blob = PublicBlob(key.get_name(), key.asbytes())  # else it is written anew for each login, twice
            return key
        except (paramiko.SSHException, ValueError, IndexError):  # each kind refuses the others, in its own words
            continue
    raise UnreadableKey("The login key is no ed25519, ECDSA or RSA key in OpenSSH or PEM form; upload it again.")


def _unexchanged(transport: HardenedTransport, who: str) -> NodeError:
    if transport.is_active():
        return ConnectTimeout(f"{who} answers, but not as SSH does in time; is that port sshd's, and is it well?")
    return _translated(transport.get_exception(), who)


def _translated(error: BaseException | None, who: str) -> NodeError:
    if isinstance(error, NodeError):
        return error
    if isinstance(error, paramiko.IncompatiblePeer):
        failure: NodeError = IncompatiblePeer(f"{who} has no algorithm in common with us; its SSH server is too old.")
    elif isinstance(error, paramiko.SSHException):
        failure = ProtocolError(f"What answers at {who} does not speak SSH as it should; is that port sshd's?")
    else:
        failure = ProtocolError(f"{who} hung up in the key exchange: too many connections (MaxStartups), or no SSH?")
    failure.__cause__ = error
    return failure


def _login_failure(error: BaseException | None, target: Target) -> NodeError:
    if error is None or isinstance(error, paramiko.AuthenticationException):
        failure: NodeError = AuthFailed(
            f"{target} does not accept the SSH key {target.key_fingerprint} for {target.user}; look at its "
            "authorized_keys, and whether the account is locked."
        )
    else:
        failure = ProtocolError(f"{target} hung up during the login; its own log says why.")
    failure.__cause__ = error
    return failure
