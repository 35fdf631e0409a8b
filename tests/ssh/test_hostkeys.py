"""Host keys from lines and from pasted text, checked against what ssh-keygen says."""

import base64
import hashlib
import hmac
import subprocess
from pathlib import Path

import pytest

from app.errors import HostKeyMismatch, HostKeyUnknown
from app.ssh.hostkeys import (
    HostKeyLine,
    RefusedLine,
    UnreadableHostKey,
    host_key_from_blob,
    import_known_hosts,
    import_public_keys,
    parse_host_key,
)
from app.ssh.pins import algorithms, ensure_pinned, read_pins

KINDS = {
    "ed25519": (),
    "ecdsa": ("-b", "256"),
    "ecdsa-384": ("-b", "384"),
    "ecdsa-521": ("-b", "521"),
    "rsa": ("-b", "2048"),
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Public key line and fingerprint by kind, both from ssh-keygen."""
    folder = tmp_path_factory.mktemp("keys")
    return {kind: _generate(folder / kind, kind.split("-")[0], *options) for kind, options in KINDS.items()}


def _generate(path: Path, type_: str, *options: str) -> tuple[str, str]:
    subprocess.run(["ssh-keygen", "-q", "-t", type_, *options, "-N", "", "-C", "a comment", "-f", path], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True).stdout
    return path.with_suffix(".pub").read_text().strip(), shown.split()[1]


@pytest.fixture(scope="module")
def line(keys: dict[str, tuple[str, str]]) -> str:
    """`type base64` of an ed25519 key."""
    return " ".join(keys["ed25519"][0].split()[:2])


@pytest.mark.parametrize("kind", KINDS)
def test_the_fingerprint_is_that_of_ssh_keygen(keys: dict[str, tuple[str, str]], kind: str) -> None:
    public, fingerprint = keys[kind]
    key = parse_host_key(public)
    assert key.fingerprint == fingerprint
    assert str(key) == " ".join(public.split()[:2])
    assert host_key_from_blob(base64.b64decode(key.public_key)) == key


@pytest.mark.parametrize(
    "change",
    [
        lambda line: "",
        lambda line: line.split()[1],
        lambda line: line[:-8],
        lambda line: line + "=",
        lambda line: line.replace("ssh-ed25519", "ssh-rsa"),
        lambda line: line.replace("ssh-ed25519", "ssh-dss"),
        lambda line: line.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"),
        lambda line: line.replace(" ", "\n"),
        lambda line: line.replace(" ", "  "),
        lambda line: " " + line,
        lambda line: line + "\n" + line,
        lambda line: "ssh-ed25519 é",
        lambda line: line[:40] + "!" + line[41:],
        lambda line: line + " " + "x" * 9000,
        lambda line: "ssh-ed25519 AAAA",
        lambda line: "ssh-ed25519 /////w==",
    ],
)
def test_what_is_not_exactly_a_key_is_refused(line: str, change: object) -> None:
    with pytest.raises(UnreadableHostKey):
        parse_host_key(change(line))  # type: ignore[operator]


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    public, _ = _generate(tmp_path / "short", "rsa", "-b", "1024")
    with pytest.raises(UnreadableHostKey, match="2048"):
        parse_host_key(public)


def test_only_the_types_of_the_pins_are_negotiated(keys: dict[str, tuple[str, str]]) -> None:
    pins = [parse_host_key(keys[kind][0]) for kind in ("rsa", "ecdsa")]
    assert algorithms(pins) == ("ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")


def test_no_pin_is_no_trust(line: str) -> None:
    with pytest.raises(HostKeyUnknown, match="node"):
        read_pins((), "node")


def test_a_mismatch_names_both_fingerprints(keys: dict[str, tuple[str, str]]) -> None:
    offered, pin = (parse_host_key(keys[kind][0]) for kind in ("ed25519", "rsa"))
    with pytest.raises(HostKeyMismatch) as caught:
        ensure_pinned(offered, (pin,), "node")
    assert offered.fingerprint in caught.value.message
    assert pin.fingerprint in caught.value.message
    assert caught.value.offered == str(offered)


def taken(text: str, hostname: str = "node.example", port: int = 22) -> list[HostKeyLine]:
    return import_known_hosts(text, hostname, port)[0]


def refused(text: str) -> list[RefusedLine]:
    return import_known_hosts(text, "node.example", 22)[1]


def _hashed(name: str) -> str:
    salt = b"s" * 20
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("names", "port"),
    [
        ("node.example", 22),
        ("NODE.example", 22),
        ("other,node.example,192.0.2.1", 22),
        ("[node.example]:2222", 2222),
        ("*.example", 22),
        ("node.exampl?", 22),
        ("*", 22),
        ("*.example,!other.example", 22),
        (_hashed("node.example"), 22),
        (_hashed("[node.example]:2222"), 2222),
    ],
)
def test_a_line_for_this_host_is_taken(line: str, names: str, port: int) -> None:
    assert taken(f"{names} {line}", port=port) == [parse_host_key(line)]


@pytest.mark.parametrize(
    ("names", "port"),
    [
        ("other.example", 22),
        ("node.example", 2222),
        ("[node.example]:2222", 22),
        ("!node.example", 22),
        ("*.example,!node.example", 22),
        ("!node.example,*", 22),
        ("node?example?", 22),
        ("nodeXexample", 22),
        (_hashed("other.example"), 22),
        (_hashed("node.example"), 2222),
    ],
)
def test_a_line_for_another_host_is_passed_over(line: str, names: str, port: int) -> None:
    assert import_known_hosts(f"{names} {line}", "node.example", port) == ([], [])


def test_a_hashed_file_of_ssh_keygen_is_read(line: str, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"node.example {line}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "node.example" not in path.read_text()
    assert taken(path.read_text()) == [parse_host_key(line)]


def test_one_bad_line_hides_no_other(line: str) -> None:
    bad_lines = "node.example ssh-ed25519\nnode.example ssh-ed25519 AAAA\n"
    text = f"# a comment\r\n\n{bad_lines}\tnode.example  {line} comment here\n"
    keys, bad = import_known_hosts(text, "node.example", 22)
    assert keys == [parse_host_key(line)]
    assert [entry.number for entry in bad] == [3, 4]
    assert all(entry.reason for entry in bad)


def test_a_revoked_key_is_never_taken(line: str) -> None:
    text = f"node.example {line}\n@revoked * {line}\n"
    assert taken(text) == []
    assert [entry.number for entry in refused(text)] == [1, 2]


def test_a_certificate_authority_is_refused(line: str) -> None:
    assert taken(f"@cert-authority *.example {line}") == []
    assert "certificate authority" in refused(f"@cert-authority *.example {line}")[0].reason


@pytest.mark.parametrize("field", ["|1|", "|1|!!|!!", "|2|c2FsdA==|aGFzaA==", "|1|c2FsdA==|aGFzaA==|x"])
def test_a_damaged_hash_is_refused(line: str, field: str) -> None:
    assert [entry.number for entry in refused(f"{field} {line}")] == [1]


def test_an_unknown_marker_is_refused(line: str) -> None:
    assert "marker" in refused(f"@trusted node.example {line}")[0].reason


def test_a_key_that_is_listed_twice_is_taken_once(line: str) -> None:
    assert len(taken(f"node.example {line}\n* {line}\n")) == 1


def test_a_pattern_full_of_stars_takes_no_time(line: str) -> None:
    assert taken("*a" * 1000 + f" {line}", hostname="a" * 250 + "b") == []


def test_public_key_files_are_read_line_by_line(keys: dict[str, tuple[str, str]]) -> None:
    text = "\n".join(public for public, _ in keys.values()) + "\n# comment\nnonsense\n"
    found, bad = import_public_keys(text)
    assert [key.fingerprint for key in found] == [fingerprint for _, fingerprint in keys.values()]
    assert [entry.number for entry in bad] == [len(keys) + 2]
