"""KeyAgent: an SSH agent in our memory, with exactly one key, for the git call of one job on a node.

What it signs is a login: an SSH user authentication request (RFC 4252 §7) for its key and its user, to a bounded
number. OpenSSH 8.9 and later first prove to the agent which server they speak to (`session-bind@openssh.com`, in
OpenSSH's PROTOCOL.agent): then nothing is signed but for that session, and that server must show a pinned host key.
The messages are those of draft-ietf-sshm-ssh-agent.
"""

import base64
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import paramiko

from app.secrets import Secret
from app.ssh.handshake import load_private_key
from app.ssh.hostkeys import ALGORITHMS

MAX_MESSAGE_BYTES: Final = 256 * 1024  # as OpenSSH's AGENT_MAX_LEN
_FAILURE, _SUCCESS, _IDENTITIES, _SIGNED = 5, 6, 12, 14
_LIST, _SIGN, _EXTENSION = 11, 13, 27
_USERAUTH_REQUEST: Final = 50
_RSA_BY_FLAG: Final = {2: "rsa-sha2-256", 4: "rsa-sha2-512"}
_HOSTBOUND: Final = "publickey-hostbound-v00@openssh.com"


class _Refused(Exception):
    """The request is not one that this agent serves; the asker hears no reason."""


@dataclass(frozen=True, slots=True)
class _Binding:
    session_id: bytes
    host_key: bytes


class KeyAgent:
    """Safe for threads. `signed` counts logins; `refused` counts what was asked for and not given."""

    def __init__(self, private_key: Secret, user: str, host_keys: Iterable[str], signatures: int) -> None:
        """`host_keys` are the git server's pins, as `type base64`. Raises UnreadableKey."""
        self._key = load_private_key(private_key)
        self._user = user
        self._hosts = frozenset(base64.b64decode(line.split(" ")[1]) for line in host_keys)
        self._most = signatures
        self._lock = threading.Lock()
        self.signed = 0
        self.refused = 0

    def __repr__(self) -> str:
        return f"KeyAgent({self._key.fingerprint})"

    @property
    def blob(self) -> bytes:
        return bytes(self._key.asbytes())

    def is_host(self, blob: bytes) -> bool:
        return blob in self._hosts

    def sign(self, data: bytes, algorithm: str) -> bytes:
        with self._lock:
            if self.signed >= self._most:
                raise _Refused
            self.signed += 1
        return bytes(self._key.sign_ssh_data(data, algorithm).asbytes())

    def count_refusal(self) -> None:
        with self._lock:
            self.refused += 1

    def algorithm(self, flags: int) -> str:
        """Of RSA only what signs with SHA-2."""
        name = str(self._key.get_name())
        if name != "ssh-rsa":
            return name
        return next((_RSA_BY_FLAG[bit] for bit in (4, 2) if flags & bit), "")

    def is_user(self, user: str) -> bool:
        return user == self._user


class AgentSession:
    """One client's connection to the agent. `must_bind`: nothing is signed before the server has been proved."""

    def __init__(self, agent: KeyAgent, *, must_bind: bool) -> None:
        self._agent, self._must_bind = agent, must_bind
        self._binding: _Binding | None = None

    def answer(self, message: bytes) -> bytes:
        """The body of the answer to the body of a request."""
        try:
            return self._answer(message)
        except (_Refused, paramiko.SSHException, ValueError, IndexError, UnicodeError):
            self._agent.count_refusal()
            return bytes([_FAILURE])

    def _answer(self, message: bytes) -> bytes:
        kind, body = message[0], _Reader(message[1:])
        if kind == _LIST:
            return _message(_IDENTITIES, 1, self._agent.blob, b"")
        if kind == _SIGN:
            return _message(_SIGNED, self._signature(body))
        if kind == _EXTENSION and body.text() == "session-bind@openssh.com":
            self._bind(body)
            return bytes([_SUCCESS])
        raise _Refused

    def _bind(self, body: "_Reader") -> None:
        """Once, for a login of this very client (not for forwarding on), to a pinned host that has signed for it.
        After any other attempt nothing more is signed."""
        before, self._binding, self._must_bind = self._binding, None, True
        host_key, session_id, signature, is_forwarding = body.string(), body.string(), body.string(), body.boolean()
        body.end()
        if before is not None or is_forwarding or not self._agent.is_host(host_key):
            raise _Refused
        if not _has_signed(host_key, session_id, signature):
            raise _Refused
        self._binding = _Binding(session_id, host_key)

    def _signature(self, body: "_Reader") -> bytes:
        blob, data, flags = body.string(), body.string(), body.number()
        body.end()
        algorithm = self._agent.algorithm(flags)
        if blob != self._agent.blob or not algorithm:
            raise _Refused
        self._ensure_login(_Reader(data), algorithm)
        return self._agent.sign(data, algorithm)

    def _ensure_login(self, data: "_Reader", algorithm: str) -> None:
        """The signed text is: session id, request, user, service, method, TRUE, algorithm, key [, the host's key]."""
        session_id = data.string()
        kind, user, service, method = data.byte(), data.text(), data.text(), data.text()
        has_signature, named, blob = data.boolean(), data.text(), data.string()
        host_key = data.string() if method == _HOSTBOUND else None
        data.end()
        is_login = (kind, service, has_signature) == (_USERAUTH_REQUEST, "ssh-connection", True)
        is_ours = self._agent.is_user(user) and blob == self._agent.blob and named == algorithm
        if not (is_login and is_ours and method in ("publickey", _HOSTBOUND)):
            raise _Refused
        self._ensure_place(session_id, host_key)

    def _ensure_place(self, session_id: bytes, host_key: bytes | None) -> None:
        if self._binding is None and self._must_bind:
            raise _Refused
        if self._binding is not None and self._binding.session_id != session_id:
            raise _Refused
        if host_key is not None and not self._agent.is_host(host_key):
            raise _Refused


class _Reader:
    """The fields of a message (RFC 4251 §5); what is cut short or left over is refused."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise _Refused
        taken, self._at = self._data[self._at : end], end
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def boolean(self) -> bool:
        return self.byte() != 0

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        return self.string().decode("ascii")

    def end(self) -> None:
        if self._at != len(self._data):
            raise _Refused


def _has_signed(host_key: bytes, session_id: bytes, signature: bytes) -> bool:
    """Whether the host key has signed the session, by an algorithm that we would take from a host too."""
    type_ = _Reader(host_key).text()
    if _Reader(signature).text() not in ALGORITHMS.get(type_, ()):
        return False
    key = paramiko.PKey.from_type_string(type_, host_key)
    return bool(key.verify_ssh_sig(session_id, paramiko.Message(signature)))


def _message(kind: int, *parts: int | bytes) -> bytes:
    message = paramiko.Message()
    message.add_byte(bytes([kind]))
    for part in parts:
        if isinstance(part, int):
            message.add_int(part)
        else:
            message.add_string(part)
    return bytes(message.asbytes())
