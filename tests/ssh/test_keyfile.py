"""Private keys made by the real ssh-keygen, puttygen and openssl."""

import base64
import contextlib
import io
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import paramiko
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import UnreadableKey
from app.secrets import Secret
from app.ssh.keyfile import generate_private_key, load_private_key

PASSPHRASE = "correct horse é"
CIPHERS = subprocess.run(["ssh", "-Q", "cipher"], capture_output=True, text=True, check=True).stdout.split()
KINDS = ["rsa-2048", "ecdsa-256", "ecdsa-384", "ecdsa-521", "ed25519-256"]
FORMATS = ["RFC4716", "PEM", "PKCS8"]
COMMENT = "ops@example.org of the night shift"

Make = Callable[..., Path]


def run(*argv: str | Path, stdin: bytes = b"") -> bytes:
    return subprocess.run(argv, input=stdin, capture_output=True, check=True).stdout


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in [*KINDS, "rsa-1024", "dsa-1024"]:
        kind, bits = name.split("-")
        run("ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", "", "-C", COMMENT, "-f", folder / name)
    return folder


@pytest.fixture
def make(originals: Path, tmp_path: Path) -> Make:
    """A copy of a key, rewritten by ssh-keygen in another format, with a passphrase, a cipher, or more rounds."""

    def rewritten(name: str, *options: str, passphrase: str = "") -> Path:
        path = Path(shutil.copy(originals / name, tmp_path / "key"))
        run("ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, *options, "-f", path)
        return path

    return rewritten


def public_line(path: Path) -> str:
    """Type and base64, as ssh-keygen wrote them beside the original."""
    return " ".join(path.read_text().split()[:2])


def assert_is(pem: str, public: str, folder: Path) -> None:
    """That both programs that will use it derive the same public key from it."""
    loaded = paramiko_key(pem)
    assert f"{loaded.get_name()} {loaded.get_base64()}" == public
    (folder / "normal").write_text(pem)
    (folder / "normal").chmod(0o600)
    assert public_line_of(run("ssh-keygen", "-y", "-P", "", "-f", folder / "normal")) == public


def public_line_of(output: bytes) -> str:
    return " ".join(output.decode().split()[:2])


def paramiko_key(pem: str) -> paramiko.PKey:
    kinds = {"ssh-ed25519": paramiko.Ed25519Key, "ssh-rsa": paramiko.RSAKey}
    kind = kinds.get(load_private_key(pem).type, paramiko.ECDSAKey)
    return kind.from_private_key(io.StringIO(pem))


def refusal(text: str | bytes, passphrase: Secret | None = None) -> UnreadableKey:
    with pytest.raises(UnreadableKey) as refused:
        load_private_key(text, passphrase)
    return refused.value


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_of_ssh_keygen_is_read(
    make: Make, originals: Path, tmp_path: Path, kind: str, form: str, passphrase: str
) -> None:
    text = make(kind, "-m", form, passphrase=passphrase).read_text()
    key = load_private_key(text, Secret(passphrase))
    public = public_line(originals / f"{kind}.pub")
    assert_is(key.pem.reveal(), public, tmp_path)
    assert key.public_key == public
    assert key.type == public.split()[0]
    assert key.bits == int(kind.partition("-")[2])
    assert key.fingerprint in run("ssh-keygen", "-l", "-f", originals / f"{kind}.pub").decode().split()
    assert key.comment == (COMMENT if "OPENSSH" in text else "")


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("kind", ["ed25519-256", "ecdsa-521"])
def test_every_cipher_of_ssh_keygen_is_read(make: Make, originals: Path, kind: str, cipher: str) -> None:
    path = make(kind, "-Z", cipher, "-a", "2", passphrase=PASSPHRASE)
    key = load_private_key(path.read_text(), Secret(PASSPHRASE))
    assert key.public_key == public_line(originals / f"{kind}.pub")
    assert key.comment == COMMENT


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_wrong_passphrase_is_told_under_every_cipher(make: Make, cipher: str) -> None:
    path = make("ed25519-256", "-Z", cipher, "-a", "2", passphrase=PASSPHRASE)
    refused = refusal(path.read_text(), Secret("wrong one"))
    assert "passphrase does not open" in refused.message
    assert refused.errors.keys() == {"passphrase"}


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
@pytest.mark.parametrize("kind", ["rsa-2048", "ecdsa-256"])
def test_a_wrong_passphrase_is_told_in_pem_too(make: Make, kind: str, form: str) -> None:
    path = make(kind, "-m", form, passphrase=PASSPHRASE)
    assert "passphrase does not open" in refusal(path.read_text(), Secret("wrong one")).message


@pytest.mark.parametrize("form", FORMATS)
def test_a_missing_passphrase_is_asked_for(make: Make, form: str) -> None:
    text = make("rsa-2048", "-m", form, passphrase=PASSPHRASE).read_text()
    assert "give its passphrase" in refusal(text).message
    assert refusal(text, Secret("")).errors.keys() == {"passphrase"}


@pytest.mark.parametrize("form", FORMATS)
def test_a_passphrase_that_is_not_needed_does_no_harm(make: Make, form: str) -> None:
    assert load_private_key(make("ecdsa-256", "-m", form).read_text(), Secret("for nothing")).bits == 256


@pytest.mark.parametrize("passphrase", ["x" * 5000, "\ud800", "nul\x00nul"])
@pytest.mark.parametrize("form", FORMATS)
def test_an_odd_passphrase_is_only_wrong(make: Make, form: str, passphrase: str) -> None:
    text = make("ecdsa-256", "-m", form, passphrase=PASSPHRASE).read_text()
    assert "passphrase does not open" in refusal(text, Secret(passphrase)).message


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.rstrip("\n"),
        lambda text: f"\n \n\t{text}\n\n  ",
        lambda text: text.replace("\n", "  \n   "),
        lambda text: f"\ufeff{text}",
        lambda text: text.encode(),
        lambda text: f"$ cat key\n{text}$ ",
        lambda text: text + "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA user@host\n",
    ],
)
@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
@pytest.mark.parametrize("form", FORMATS)
def test_what_a_clipboard_does_to_a_key_is_forgiven(
    make: Make, form: str, passphrase: str, mangle: Callable[[str], str | bytes]
) -> None:
    text = make("ecdsa-256", "-m", form, "-a", "1", passphrase=passphrase).read_text()
    plain = load_private_key(text, Secret(passphrase))
    assert load_private_key(mangle(text), Secret(passphrase)).public_key == plain.public_key


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_generated_key_is_one_that_others_read(tmp_path: Path, kind: Literal["ed25519", "ecdsa", "rsa"]) -> None:
    key = generate_private_key(kind, "made here")
    assert_is(key.pem.reveal(), key.public_key, tmp_path)
    assert key.comment == "made here"
    assert load_private_key(key.pem.reveal()).fingerprint == key.fingerprint


def test_a_private_key_does_not_print_itself() -> None:
    key = generate_private_key("ed25519", "")
    assert key.pem.reveal().splitlines()[2] not in repr(key)


def test_a_putty_key_is_refused_with_the_way_to_convert_it(originals: Path, tmp_path: Path) -> None:
    run("puttygen", originals / "ed25519-256", "-o", tmp_path / "key.ppk")
    message = refusal((tmp_path / "key.ppk").read_text()).message
    assert "puttygen key.ppk -O private-openssh -o key" in message
    run("puttygen", tmp_path / "key.ppk", "-O", "private-openssh", "-o", tmp_path / "key")
    assert load_private_key((tmp_path / "key").read_text()).public_key == public_line(originals / "ed25519-256.pub")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [[], ["-e", "-m", "PEM"], ["-e", "-m", "PKCS8"], ["-e", "-m", "RFC4716"]])
def test_a_public_key_is_told_as_one(originals: Path, kind: str, options: list[str]) -> None:
    path = originals / f"{kind}.pub"
    exported = subprocess.run(["ssh-keygen", *options, "-f", path], capture_output=True) if options else None
    text = exported.stdout if exported and exported.stdout else path.read_bytes()
    assert "public key" in refusal(text).message


@pytest.mark.parametrize("form", FORMATS)
def test_dsa_is_refused_by_name(make: Make, form: str) -> None:
    assert "DSA" in refusal(make("dsa-1024", "-m", form).read_text()).message


def test_an_encrypted_dsa_key_is_refused_before_its_passphrase_is_asked_for(make: Make) -> None:
    assert "DSA" in refusal(make("dsa-1024", passphrase=PASSPHRASE).read_text()).message


@pytest.mark.parametrize("form", FORMATS)
def test_a_short_rsa_key_is_refused_with_its_size(make: Make, form: str) -> None:
    assert "1024 bits" in refusal(make("rsa-1024", "-m", form).read_text()).message


def test_an_openssh_certificate_is_refused(originals: Path, tmp_path: Path) -> None:
    shutil.copy(originals / "ed25519-256.pub", tmp_path / "user.pub")
    run("ssh-keygen", "-q", "-s", originals / "ecdsa-256", "-I", "id", "-n", "root", tmp_path / "user.pub")
    assert "certificate" in refusal((tmp_path / "user-cert.pub").read_text()).message


def test_an_x509_certificate_is_refused(originals: Path, make: Make, tmp_path: Path) -> None:
    key = make("ecdsa-256", "-m", "PKCS8")
    run("openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=x", "-out", tmp_path / "x.crt")
    assert "X.509" in refusal((tmp_path / "x.crt").read_text()).message


@pytest.mark.parametrize("name", ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"])
def test_a_key_inside_a_security_key_is_refused(name: str) -> None:
    assert "security key" in refusal(crafted(public=string(name.encode()) + string(b"x" * 32))).message


def test_an_unknown_type_is_named(originals: Path) -> None:
    assert "ssh-xmss" in refusal(crafted(public=string(b"ssh-xmss@openssh.com"))).message


@pytest.mark.parametrize("algorithm", ["X25519", "ED448", "EC -pkeyopt ec_paramgen_curve:secp256k1"])
def test_other_kinds_of_pkcs8_keys_are_refused(algorithm: str) -> None:
    text = run("openssl", "genpkey", "-algorithm", *algorithm.split())
    assert "Bareboat uses ed25519, ecdsa and rsa" in refusal(text).message


@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_key_is_told(make: Make, form: str) -> None:
    lines = make("rsa-2048", "-m", form).read_text().splitlines(keepends=True)
    assert "END line is missing" in refusal("".join(lines[:5])).message
    assert "damaged" in refusal("".join(lines[:5] + lines[-1:])).message
    assert "damaged" in refusal("".join(lines[:5] + lines[6:])).message


@pytest.mark.parametrize("joint", [" ", "", "\\n"])
def test_lost_line_breaks_are_told(make: Make, joint: str) -> None:
    assert "line breaks" in refusal(make("ed25519-256").read_text().replace("\n", joint)).message


def test_several_keys_are_refused(make: Make) -> None:
    text = make("ed25519-256").read_text()
    assert "several" in refusal(text + text).message


@pytest.mark.parametrize("places", [1, -1])
def test_halves_that_do_not_belong_together_are_refused(make: Make, places: int) -> None:
    blob = base64.b64decode("".join(make("ed25519-256").read_text().splitlines()[1:-1]))
    public = blob[blob.index(b"ssh-ed25519") + 15 :][:32]
    assert "damaged" in refusal(armour(blob.replace(public, bytes(32), places))).message


def test_a_text_too_large_is_refused() -> None:
    assert "64 KiB" in refusal("x" * 65537).message


@pytest.mark.parametrize(
    "text",
    ["", " \n", "hunter2", b"\x00\xff\x80", b"\x30\x82\x01\x00", "\ud800", "-----BEGIN PRIVATE KEY-----", "a\u0000b"],
)
def test_what_is_no_key_at_all_is_refused(text: str | bytes) -> None:
    refusal(text)


@pytest.mark.parametrize("form", FORMATS)
def test_no_refusal_shows_any_of_the_text(make: Make, form: str) -> None:
    lines = make("rsa-2048", "-m", form).read_text().splitlines()
    shown = str(refusal("\n".join(lines[:-3] + lines[-1:])).__dict__)
    assert not any(line in shown for line in lines[1:-1])


def test_a_bomb_of_bcrypt_rounds_is_refused_at_once() -> None:
    started = time.process_time()
    options = string(b"s" * 16) + (2**31 - 1).to_bytes(4, "big")
    bomb = crafted(cipher=b"aes256-ctr", kdf=b"bcrypt", options=options)
    assert "2147483647 rounds" in refusal(bomb, Secret("any")).message
    assert time.process_time() - started < 1


def test_rounds_within_reason_are_done(make: Make) -> None:
    path = make("ed25519-256", "-a", "40", passphrase=PASSPHRASE)
    assert load_private_key(path.read_text(), Secret(PASSPHRASE)).bits == 256


def test_a_bomb_of_pbkdf2_iterations_is_refused_at_once() -> None:
    started = time.process_time()
    bomb = armour(pkcs8_of(2**31 - 1), "ENCRYPTED PRIVATE KEY")
    assert "ssh-keygen -p" in refusal(bomb, Secret(PASSPHRASE)).message
    assert time.process_time() - started < 1


def test_der_that_nests_without_end_is_refused() -> None:
    nested = b""
    for _ in range(40):
        nested = der(0x30, nested)
    assert "damaged" in refusal(armour(der(0x30, nested), "ENCRYPTED PRIVATE KEY"), Secret("any")).message


def test_scrypt_is_refused_with_the_way_out(make: Make) -> None:
    key = make("ecdsa-256", "-m", "PKCS8")
    text = run("openssl", "pkcs8", "-topk8", "-scrypt", "-passout", "pass:secret", "-in", key)
    assert "ssh-keygen -p" in refusal(text, Secret("secret")).message


def test_an_rsa_key_of_absurd_length_is_refused_at_once() -> None:
    parts = [string(b"ssh-rsa"), string(b"\x03"), string(b"\x7f" * 8000)]
    started = time.process_time()
    assert "63999 bits" in refusal(crafted(public=b"".join(parts))).message
    assert time.process_time() - started < 1


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 2000), value=st.integers(0, 255), form=st.sampled_from(FORMATS))
def test_a_changed_byte_never_does_more_than_refuse(originals: Path, position: int, value: int, form: str) -> None:
    blob, label = FUZZED.setdefault(form, fuzzed(originals, form))
    position %= len(blob)
    text = armour(blob[:position] + bytes([value]) + blob[position + 1 :], label)
    with contextlib.suppress(UnreadableKey):
        load_private_key(text)


FUZZED: dict[str, tuple[bytes, str]] = {}


def fuzzed(originals: Path, form: str) -> tuple[bytes, str]:
    path = originals / f"fuzzed-{form}"
    shutil.copy(originals / "rsa-2048", path)
    run("ssh-keygen", "-q", "-p", "-P", "", "-N", "", "-m", form, "-f", path)
    lines = path.read_text().splitlines()
    return base64.b64decode("".join(lines[1:-1])), lines[0].strip("-").removeprefix("BEGIN ")


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def crafted(
    public: bytes = string(b"ssh-ed25519") + string(bytes(32)),
    cipher: bytes = b"none",
    kdf: bytes = b"none",
    options: bytes = b"",
) -> str:
    head = b"openssh-key-v1\x00" + string(cipher) + string(kdf) + string(options)
    return armour(head + (1).to_bytes(4, "big") + string(public) + string(bytes(64)))


def armour(blob: bytes, label: str = "OPENSSH PRIVATE KEY") -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(blob).decode()}-----END {label}-----\n"


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag, len(content)]) + content


def pkcs8_of(iterations: int) -> bytes:
    """An encrypted PKCS#8 key: PBES2 with PBKDF2 (RFC 8018) and AES-256-CBC, and nothing worth opening inside."""
    pbkdf2 = der(0x30, der(0x06, PBKDF2), der(0x30, der(0x04, bytes(8)), der(0x02, iterations.to_bytes(4, "big"))))
    aes = der(0x30, der(0x06, AES_256_CBC), der(0x04, bytes(16)))
    return der(0x30, der(0x30, der(0x06, PBES2), der(0x30, pbkdf2, aes)), der(0x04, bytes(32)))


PBES2 = bytes.fromhex("2a864886f70d01050d")
PBKDF2 = bytes.fromhex("2a864886f70d01050c")
AES_256_CBC = bytes.fromhex("60864801650304012a")
