"""Private keys as people have them, in any format that OpenSSH writes, brought to the one format that we keep."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ecdsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa

from app.errors import UnreadableKey
from app.redaction import printable
from app.secrets import Secret
from app.ssh import openssh_key

MAX_TEXT_BYTES = 64 * 1024
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384  # the most that ssh-keygen makes
_GENERATED_RSA_BITS = 3072
_MAX_ITERATIONS = 1_000_000  # of PBKDF2: about half a second; OpenSSH writes 2048
_MAX_PASSPHRASE_BYTES = 1000  # OpenSSL's own limit for PEM is 1023
_MAX_DER_DEPTH = 8
_SCRYPT = bytes.fromhex("2b06010401da47040b")  # RFC 7914, section 7: 1.3.6.1.4.1.11591.4.11
_CURVES = {"secp256r1", "secp384r1", "secp521r1"}

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----")
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----\n(.*?)-----END \1-----", re.DOTALL)
_PUBLIC = "This is a public key; give the private one (the file without .pub)."
_CERTIFICATE = "This is an OpenSSH certificate; give the private key that it belongs to."
_DSA = "This is a DSA key; OpenSSH and Bareboat no longer take those. Make one with: ssh-keygen -t ed25519"
_SECURITY_KEY = (
    "This key lives in a security key (FIDO) and needs somebody to touch it. Make one with: ssh-keygen -t ed25519"
)
_DAMAGED = "The private key is damaged, or a part of it is missing; copy the whole file again."
_CUT = "The private key is cut short: its END line is missing; copy the whole file again."
_JOINED = "The line breaks of this private key are lost; paste the file as it is."
_SEVERAL = "There are several private keys in this text; give one."
_TOO_LARGE = f"This is larger than any private key (more than {MAX_TEXT_BYTES // 1024} KiB)."
_NEEDS_PASSPHRASE = "The private key is encrypted; give its passphrase."  # noqa: S105 - a message
_WRONG_PASSPHRASE = "The passphrase does not open this private key (or the key is damaged)."  # noqa: S105 - a message
_REWRITE = "The private key is encrypted in a way that Bareboat cannot read; rewrite it with: ssh-keygen -p -f key"
_NO_KEY = "This is not a private key; it begins with a line such as -----BEGIN OPENSSH PRIVATE KEY-----."

_NOT_PRIVATE_KEYS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), message)
    for pattern, message in (
        (
            rb"^PuTTY-User-Key-File-",
            "This is a PuTTY key; convert it with: puttygen key.ppk -O private-openssh -o key",
        ),
        (rb"^\S+-cert-v01@openssh\.com ", _CERTIFICATE),
        (rb"^(ssh-\w+|ecdsa-sha2-\S+|sk-\S+) +AAAA", _PUBLIC),
        (rb"^-----BEGIN [A-Z0-9 ]*PUBLIC KEY|^---- BEGIN SSH2 PUBLIC KEY", _PUBLIC),
        (
            rb"^-----BEGIN [A-Z0-9 ]*CERTIFICATE",
            "This is an X.509 certificate, which SSH does not use; give an SSH private key.",
        ),
        (
            rb"^---- BEGIN SSH2 ENCRYPTED PRIVATE KEY",
            "This is a key of SSH Communications' ssh; convert it with: ssh-keygen -i -f key > converted",
        ),
        (rb"^-----BEGIN PGP", "This is a PGP key; give an SSH private key."),
        (rb"^SSH PRIVATE KEY FILE FORMAT 1", "This is a key of SSH version 1; make one with: ssh-keygen -t ed25519"),
    )
)

Usable = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """`type` and `public_key` ('type base64') as in authorized_keys; `pem` is unencrypted, in OpenSSH's format."""

    type: str
    bits: int
    fingerprint: str
    public_key: str
    comment: str
    pem: Secret


def load_private_key(text: str | bytes, passphrase: Secret | None = None) -> PrivateKey:
    """Raises UnreadableKey, which says what the text is instead, and never shows any of it.

    A passphrase for a key without one is not looked at, as with ssh-keygen.
    """
    label, body = _only_block(_clean(text))
    if passphrase and len(passphrase.reveal().encode("utf-8", "surrogatepass")) > _MAX_PASSPHRASE_BYTES:
        raise _refused_passphrase(_WRONG_PASSPHRASE)
    try:
        if label == b"OPENSSH PRIVATE KEY":
            return _load_openssh(base64.b64decode(body.replace(b"\n", b""), validate=True), passphrase)
        return _load_pem(label, body, passphrase)
    except UnsupportedAlgorithm as error:
        raise _refused(_REWRITE) from error
    except (ValueError, TypeError, KeyError) as error:  # binascii.Error is a ValueError
        raise _refused(_DAMAGED) from error


def generate_private_key(kind: Literal["ed25519", "ecdsa", "rsa"], comment: str = "") -> PrivateKey:
    match kind:
        case "ed25519":
            return _describe(Ed25519PrivateKey.generate(), comment)
        case "ecdsa":
            return _describe(generate_ecdsa(SECP256R1()), comment)
        case "rsa":
            return _describe(generate_rsa(65537, _GENERATED_RSA_BITS), comment)


def _clean(text: str | bytes) -> bytes:
    """Lines without space around them, joined by newlines."""
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if len(data) > MAX_TEXT_BYTES:
        raise _refused(_TOO_LARGE)
    return b"\n".join(line.strip() for line in data.removeprefix(b"\xef\xbb\xbf").splitlines())


def _only_block(data: bytes) -> tuple[bytes, bytes]:
    begins = len(_BEGIN.findall(data))
    if begins > 1:
        raise _refused(_SEVERAL)
    block = _BLOCK.search(data)
    if block:
        return block[1], block[2].strip()
    if begins:
        raise _refused(_JOINED if re.search(rb"-----BEGIN .*-----END ", data) else _CUT)
    raise _refused(next((message for pattern, message in _NOT_PRIVATE_KEYS if pattern.search(data)), _NO_KEY))


def _load_openssh(blob: bytes, passphrase: Secret | None) -> PrivateKey:
    public = openssh_key.public_blob(blob)
    _require_usable(public)
    if openssh_key.is_sealed(blob) and not passphrase:
        raise _refused_passphrase(_NEEDS_PASSPHRASE)
    pem, comment = openssh_key.open_container(blob, passphrase)
    key = _describe(serialization.load_ssh_private_key(pem, None, unsafe_skip_rsa_key_validation=True), comment)
    if key.public_key.split(" ")[1] != base64.b64encode(public).decode():
        raise ValueError("the halves do not belong together")
    return key


def _require_usable(public: bytes) -> None:
    """By the public half, so that no time is spent on opening what is refused."""
    name = openssh_key.key_type(public)
    if name == "ssh-dss":
        raise _refused(_DSA)
    if name.endswith("-cert-v01@openssh.com"):
        raise _refused(_CERTIFICATE)
    if name.startswith("sk-"):
        raise _refused(_SECURITY_KEY)
    if name == "ssh-rsa":
        _require_rsa_size(openssh_key.rsa_bits(public))
    elif name != "ssh-ed25519" and not name.startswith("ecdsa-sha2-nistp"):
        raise _refused(_unusable(printable(name, 60)))


def _require_rsa_size(bits: int) -> None:
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise _refused(
            f"This RSA key has {bits} bits; it must have {MIN_RSA_BITS} to {MAX_RSA_BITS}. "
            "Make a new one with: ssh-keygen -t ed25519"
        )


def _load_pem(label: bytes, body: bytes, passphrase: Secret | None) -> PrivateKey:
    if label == b"DSA PRIVATE KEY":
        raise _refused(_DSA)
    is_sealed = label == b"ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in body
    if is_sealed and not passphrase:
        raise _refused_passphrase(_NEEDS_PASSPHRASE)
    if label == b"ENCRYPTED PRIVATE KEY":
        _refuse_slow(base64.b64decode(body.replace(b"\n", b""), validate=True))
    pem = b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, body, label)
    password = passphrase.reveal().encode("utf-8", "surrogatepass") if passphrase and is_sealed else None
    try:
        key = serialization.load_pem_private_key(pem, password, unsafe_skip_rsa_key_validation=True)
    except ValueError as error:
        raise (_refused_passphrase(_WRONG_PASSPHRASE) if is_sealed else _refused(_DAMAGED)) from error
    return _describe(key, "")


def _refuse_slow(blob: bytes) -> None:
    """A PKCS#8 key says itself how long opening it takes (RFC 8018, appendix A): look before doing as it says."""
    _, sequence = next(_der(blob))
    _, algorithm = next(_der(sequence))
    for tag, content in _leaves(algorithm):
        is_slow = tag == 0x02 and int.from_bytes(content, "big") > _MAX_ITERATIONS
        if is_slow or (tag == 0x06 and content == _SCRYPT):
            raise _refused(_REWRITE)


def _leaves(data: bytes, depth: int = 0) -> Iterator[tuple[int, bytes]]:
    if depth > _MAX_DER_DEPTH:
        raise ValueError("nested too deeply")
    for tag, content in _der(data):
        if tag & 0x20:
            yield from _leaves(content, depth + 1)
        else:
            yield tag, content


def _der(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element (X.690, 8.1)."""
    while data:
        size, start = data[1] if len(data) > 1 else 0, 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[2:start], "big")
        if len(data) < start + size:
            raise ValueError("cut short")
        yield data[0], data[start : start + size]
        data = data[start + size :]


def _describe(key: object, comment: str) -> PrivateKey:
    usable = _checked(key)
    public = usable.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    name, blob = public.decode("ascii").split(" ")[:2]
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip("=")
    pem = usable.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    bits = 256 if isinstance(usable, Ed25519PrivateKey) else usable.key_size
    return PrivateKey(name, bits, f"SHA256:{digest}", f"{name} {blob}", comment, Secret(pem.decode("ascii")))


def _checked(key: object) -> Usable:
    """The same key, of a type and size that we use."""
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, RSAPrivateKey):
        return _checked_rsa(key)
    kind = key.curve.name if isinstance(key, EllipticCurvePrivateKey) else type(key).__name__
    raise _refused(_DSA if kind == "DSAPrivateKey" else _unusable(kind.removesuffix("PrivateKey")))


def _checked_rsa(key: RSAPrivateKey) -> RSAPrivateKey:
    """Loaded unchecked, for the check tests primes: of numbers that are far too long it would take minutes."""
    _require_rsa_size(key.key_size)
    numbers = key.private_numbers()
    private = (numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1, numbers.iqmp, numbers.public_numbers.e)
    if max(private).bit_length() > key.key_size:
        raise ValueError("a part is longer than the modulus")
    return numbers.private_key()


def _unusable(kind: str) -> str:
    return f"This is a key of the type {kind}; Bareboat uses ed25519, ecdsa and rsa."


def _refused(message: str) -> UnreadableKey:
    return UnreadableKey(message, errors={"private_key": [message]})


def _refused_passphrase(message: str) -> UnreadableKey:
    return UnreadableKey(message, errors={"passphrase": [message]})
