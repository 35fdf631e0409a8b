"""Secret values: they print as `***`; what is stored is sealed under the master key."""

import base64
import binascii
import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import BareboatError, MasterKeyMissing, MasterKeyUnsafe, SecretUnreadable, WrongState

_VERSION = "v1"
_KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D, 5.2.1.1: the length GCM is made for
_MIN_DISTINCT_BYTES = 12  # 32 random bytes have fewer distinct ones with a chance below 1e-20
_FILE_LIMIT_BYTES = 4096
_CANARY = "the master key reads this database"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Text that must not be shown. `.reveal()` is called only where it leaves for the node or the vault."""

    _text: str

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """32 random bytes. Nothing is sealed with them directly: every use has a key derived for it (HKDF, RFC 5869)."""

    _raw: bytes

    def __post_init__(self) -> None:
        _refuse_weak(self._raw)

    @property
    def key_id(self) -> str:
        """Names the key inside what it sealed, and tells nothing about it."""
        return self.derive("key id", 8).hex()

    def derive(self, purpose: str, length: int = _KEY_BYTES) -> bytes:
        return HKDF(SHA256(), length, salt=None, info=f"bareboat {_VERSION} {purpose}".encode()).derive(self._raw)

    def __repr__(self) -> str:
        return f"MasterKey({self.key_id})"


class Vault:
    """Seals text to a purpose, such as `ssh_key.private_key:<uid>`: under any other purpose it does not open.

    Sealed text is `v1:<key id>:<base64 of nonce, AES-256-GCM ciphertext and tag>`. `previous` keys only read,
    so that a rotation can stop half-way and go on later. `reread` gives the keys that are there now, current first:
    it is asked when a key is missing, since a rotation in another process may have brought a new one.
    """

    def __init__(
        self,
        current: MasterKey,
        previous: tuple[MasterKey, ...] = (),
        reread: Callable[[], tuple[MasterKey, ...]] | None = None,
    ) -> None:
        self._reread = reread
        self._ciphers: dict[str, AESGCM] = {}
        self._use(current, previous)

    @property
    def key_id(self) -> str:
        """Of the key under which is sealed."""
        return self._current.key_id

    def knows(self, sealed: str) -> bool:
        """Whether the key that it is sealed under is here, if need be after a look for new ones."""
        return self._has(_parse(sealed)[0])

    def seal(self, secret: Secret, purpose: str) -> str:
        key_id = self.key_id
        nonce = os.urandom(_NONCE_BYTES)
        text = secret.reveal().encode("utf-8", "surrogatepass")
        sealed = self._ciphers[key_id].encrypt(nonce, text, _binding(key_id, purpose))
        return f"{_VERSION}:{key_id}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, purpose: str) -> Secret:
        """Raises SecretUnreadable for another key, another purpose, or a changed character."""
        key_id, blob = _parse(sealed)
        if not self._has(key_id):
            raise SecretUnreadable(
                f"A stored secret is sealed under the master key {key_id}, which is not here; give that key back."
            )
        try:
            text = self._ciphers[key_id].decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], _binding(key_id, purpose))
        except InvalidTag as error:
            raise SecretUnreadable from error
        return Secret(text.decode("utf-8", "surrogatepass"))

    def needs_resealing(self, sealed: str) -> bool:
        """Whether it is sealed under a previous key, or one that is not here."""
        key_id, _ = _parse(sealed)
        return key_id != self._current.key_id

    def derive(self, purpose: str) -> bytes:
        """32 bytes that are the same at every start, for keys that need no storage, such as Flask's SECRET_KEY."""
        return self._current.derive(f"derive {purpose}")

    def seal_canary(self) -> str:
        """To be stored beside the data; `check_canary` at start then tells a wrong master key before anything else."""
        return self.seal(Secret(_CANARY), "canary")

    def check_canary(self, sealed: str) -> None:
        if self.open(sealed, "canary").reveal() != _CANARY:
            raise SecretUnreadable

    def _has(self, key_id: str) -> bool:
        if key_id not in self._ciphers and self._reread is not None:
            current, *previous = self._reread()
            self._use(current, tuple(previous))
        return key_id in self._ciphers

    def _use(self, current: MasterKey, previous: tuple[MasterKey, ...]) -> None:
        """Keys that were here stay, for a thread that is just sealing."""
        self._ciphers = self._ciphers | {key.key_id: AESGCM(key.derive("seal")) for key in (*previous, current)}
        self._current = current


class LockedVault:
    """Stands where there is no master key: whatever is asked of it raises the reason."""

    def __init__(self, reason: BareboatError) -> None:
        self._reason = reason

    def seal(self, secret: Secret, purpose: str) -> str:
        raise self._reason

    def open(self, sealed: str, purpose: str) -> Secret:
        raise self._reason

    def derive(self, purpose: str) -> bytes:
        raise self._reason

    def seal_canary(self) -> str:
        raise self._reason


def load_master_key(value: str | None, path: Path, setting: str = "MASTER_KEY") -> MasterKey:
    """The key from the setting's text if there is one (an empty text is refused), else from the file."""
    if value is not None:
        return MasterKey(_decode(value, f"the setting {setting}"))
    lines = (line.strip() for line in _read_private(path).splitlines())
    content = [line for line in lines if line and not line.startswith("#")]
    if len(content) != 1:
        raise MasterKeyUnsafe(f"The master key file {path} must hold one line with the key; put the right file back.")
    return MasterKey(_decode(content[0], f"the file {path}"))


def create_master_key(path: Path) -> MasterKey:
    """Writes a new random key, readable by us alone from its first moment. Never overwrites (WrongState)."""
    key = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
    text = f"# Bareboat's master key. Keep a copy apart from the database's.\n{base64.b64encode(key).decode()}\n"
    try:
        _ensure_folder(path.parent)
        _write_private(path, text.encode())
    except OSError as error:
        raise MasterKeyUnsafe(f"The master key {path} cannot be written ({error.strerror}).") from error
    return MasterKey(key)


def _binding(key_id: str, purpose: str) -> bytes:
    if not purpose:
        raise ValueError("a secret is sealed to a purpose")
    return f"{_VERSION}:{key_id}:{purpose}".encode()


def _parse(sealed: str) -> tuple[str, bytes]:
    version, _, rest = sealed.partition(":")
    key_id, _, text = rest.partition(":")
    try:
        blob = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise SecretUnreadable from error
    # One spelling only: base64 has spare bits at its end that would decode to the same bytes.
    if version != _VERSION or len(blob) <= _NONCE_BYTES or base64.b64encode(blob).decode() != text:
        raise SecretUnreadable
    return key_id, blob


def _decode(text: str, source: str) -> bytes:
    compact = text.strip()
    for decode in (bytes.fromhex, _from_base64):
        try:
            raw = decode(compact)
        except ValueError:
            continue
        if len(raw) == _KEY_BYTES:
            return raw
    raise MasterKeyUnsafe(f"In {source} is no master key: 32 random bytes are expected, as base64 or hex.")


def _from_base64(text: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    return base64.b64decode(padded.translate(str.maketrans("-_", "+/")), validate=True)


def _refuse_weak(raw: bytes) -> None:
    is_text = all(32 <= byte < 127 for byte in raw)  # by chance for 1 random key in 10**13
    is_counting = len({(after - before) % 256 for before, after in pairwise(raw)}) == 1
    if len(raw) != _KEY_BYTES or is_text or is_counting or len(set(raw)) < _MIN_DISTINCT_BYTES:
        raise MasterKeyUnsafe("The master key is not random: make one with 'flask --app wsgi init'.")


def _read_private(path: Path) -> str:
    try:
        # O_NONBLOCK: a named pipe in its place must not hold us for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MasterKeyMissing(f"There is no master key at {path}; run 'flask --app wsgi init'.") from error
    except OSError as error:
        raise MasterKeyUnsafe(_unopened(path, error)) from error
    try:
        _require_private(path, os.fstat(descriptor))
        return os.read(descriptor, _FILE_LIMIT_BYTES).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _unopened(path: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return f"The master key {path} is a link; put the file itself there."
    return f"The master key {path} cannot be opened ({error.strerror}); it must belong to the user that runs Bareboat."


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise MasterKeyUnsafe(f"The master key {path} is not a regular file.")
    if status.st_uid != os.geteuid():
        raise MasterKeyUnsafe(
            f"The master key {path} belongs to uid {status.st_uid}, Bareboat runs as {os.geteuid()}; mend with chown."
        )
    if stat.S_IMODE(status.st_mode) & ~0o600:
        mode = stat.S_IMODE(status.st_mode)
        raise MasterKeyUnsafe(f"The master key {path} has mode {mode:04o}; mend with: chmod 600 {path}")


def _ensure_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o022:
        raise MasterKeyUnsafe(f"Others may write to {folder}; mend with: chmod 700 {folder}")


def _write_private(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise WrongState(f"There is a master key at {path} already; it was left as it is.") from error
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        path.unlink()  # half a key would be in the way of the next try
        raise
