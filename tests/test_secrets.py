"""The vault and the master key's file."""

import base64
import os
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from app.errors import MasterKeyMissing, MasterKeyUnsafe, SecretUnreadable, WrongState
from app.secrets import MasterKey, Secret, Vault, create_master_key, load_master_key

EXAMPLE = Path(__file__).parent.parent / "keys.example" / "master.key.example"
RAW = bytes.fromhex("8f1d3c5a77e0b942a6c80d1f2e3b4c5d96a7b8c9dae1f203142536475869708b")
KEY = MasterKey(RAW)
OTHER_KEY = MasterKey(RAW[::-1])
PURPOSE = "ssh_key.private_key:7d0c"


@pytest.fixture
def vault() -> Vault:
    return Vault(KEY)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "master.key"
    create_master_key(path)
    return path


def test_a_secret_never_prints_its_text() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {KEY!r} {KEY}"


@given(text=st.text())
def test_what_is_sealed_opens_to_the_same_text(text: str) -> None:
    vault = Vault(KEY)
    assert vault.open(vault.seal(Secret(text), PURPOSE), PURPOSE).reveal() == text


def test_even_a_lone_surrogate_survives(vault: Vault) -> None:
    assert vault.open(vault.seal(Secret("\ud800"), PURPOSE), PURPOSE).reveal() == "\ud800"


def test_sealed_text_names_its_version_and_key_and_does_not_hold_the_secret(vault: Vault) -> None:
    sealed = vault.seal(Secret("hunter2"), PURPOSE)
    assert sealed.startswith(f"v1:{KEY.key_id}:")
    assert b"hunter2" not in base64.b64decode(sealed.rpartition(":")[2])


def test_the_same_secret_is_never_sealed_to_the_same_text(vault: Vault) -> None:
    assert len({vault.seal(Secret("hunter2"), PURPOSE) for _ in range(50)}) == 50


def test_a_sealed_secret_copied_to_another_row_does_not_open(vault: Vault) -> None:
    with pytest.raises(SecretUnreadable):
        vault.open(vault.seal(Secret("hunter2"), PURPOSE), "ssh_key.private_key:7d0d")


def test_a_secret_is_not_sealed_without_a_purpose(vault: Vault) -> None:
    with pytest.raises(ValueError, match="purpose"):
        vault.seal(Secret("hunter2"), "")


def test_under_another_key_it_does_not_open_and_the_message_names_the_key(vault: Vault) -> None:
    with pytest.raises(SecretUnreadable, match=KEY.key_id):
        Vault(OTHER_KEY).open(vault.seal(Secret("hunter2"), PURPOSE), PURPOSE)


@given(position=st.integers(0, 200), character=st.characters())
def test_one_changed_character_keeps_it_shut(position: int, character: str) -> None:
    vault = Vault(KEY)
    sealed = vault.seal(Secret("hunter2"), PURPOSE)
    position %= len(sealed)
    changed = sealed[:position] + character + sealed[position + 1 :]
    assume(changed != sealed)
    with pytest.raises(SecretUnreadable):
        vault.open(changed, PURPOSE)


@pytest.mark.parametrize(
    "sealed", ["", "v1", "v1:", "v1::", "v1:abcd:", "v2:abcd:AAAA", "hunter2", "v1:é:é", "v1:a:b:c"]
)
def test_what_was_never_sealed_is_refused(vault: Vault, sealed: str) -> None:
    with pytest.raises(SecretUnreadable):
        vault.open(sealed, PURPOSE)


@given(cut=st.integers(0, 100))
def test_a_shortened_ciphertext_is_refused(cut: int) -> None:
    vault = Vault(KEY)
    sealed = vault.seal(Secret("hunter2"), PURPOSE)
    with pytest.raises(SecretUnreadable):
        vault.open(sealed[: cut % len(sealed)], PURPOSE)


def test_during_a_rotation_the_old_key_reads_and_the_new_one_writes(vault: Vault) -> None:
    sealed = vault.seal(Secret("hunter2"), PURPOSE)
    rotating = Vault(OTHER_KEY, previous=(KEY,))
    resealed = rotating.seal(rotating.open(sealed, PURPOSE), PURPOSE)
    assert rotating.needs_resealing(sealed)
    assert not rotating.needs_resealing(resealed)
    assert Vault(OTHER_KEY).open(resealed, PURPOSE).reveal() == "hunter2"


def test_derived_keys_are_stable_and_differ_by_purpose_and_key(vault: Vault) -> None:
    assert vault.derive("flask") == Vault(KEY).derive("flask")
    assert len(vault.derive("flask")) == 32
    assert len({vault.derive("flask"), vault.derive("tokens"), Vault(OTHER_KEY).derive("flask"), RAW}) == 4


def test_the_canary_tells_a_wrong_master_key(vault: Vault) -> None:
    canary = vault.seal_canary()
    vault.check_canary(canary)
    with pytest.raises(SecretUnreadable):
        Vault(OTHER_KEY).check_canary(canary)


@pytest.mark.parametrize(
    "text",
    [
        RAW.hex(),
        RAW.hex().upper(),
        base64.b64encode(RAW).decode(),
        base64.b64encode(RAW).decode().rstrip("="),
        base64.urlsafe_b64encode(RAW).decode(),
        f"  {RAW.hex()}\n",
    ],
)
def test_the_setting_takes_base64_and_hex(text: str, tmp_path: Path) -> None:
    assert load_master_key(text, tmp_path / "absent").key_id == KEY.key_id


@pytest.mark.parametrize(
    "raw",
    [
        bytes(32),
        b"\xff" * 32,
        bytes(range(32)),
        bytes(range(255, 223, -1)),
        b"\x00\xff" * 16,
        b"changeme" * 4,
        b"Tr0ub4dor&3-correct-horse-batter",
    ],
)
def test_a_key_that_is_not_random_is_refused(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(MasterKeyUnsafe, match="random"):
        load_master_key(base64.b64encode(raw).decode(), tmp_path / "absent")


@pytest.mark.parametrize("text", ["", "   ", "secret", RAW.hex()[:-2], RAW.hex() + "00", "é" * 64, "=" * 44])
def test_a_setting_that_is_no_key_is_refused_without_being_shown(text: str, tmp_path: Path) -> None:
    with pytest.raises(MasterKeyUnsafe) as refused:
        load_master_key(text, tmp_path / "absent")
    assert not text.strip() or text not in refused.value.message


def test_without_setting_and_file_the_message_names_init(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyMissing, match="flask --app wsgi init"):
        load_master_key(None, tmp_path / "keys" / "master.key")


def test_a_created_key_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    assert create_master_key(path).key_id == load_master_key(None, path).key_id


def test_two_created_keys_differ(tmp_path: Path) -> None:
    assert create_master_key(tmp_path / "a").key_id != create_master_key(tmp_path / "b").key_id


def test_the_key_file_is_private_from_its_first_moment_under_any_umask(tmp_path: Path, mocker: MockerFixture) -> None:
    opened = mocker.spy(os, "open")
    before = os.umask(0)
    try:
        create_master_key(tmp_path / "keys" / "master.key")
    finally:
        os.umask(before)
    (_, flags, mode) = opened.call_args.args
    assert flags & os.O_EXCL
    assert mode == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "master.key").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_overwritten(key_file: Path) -> None:
    content = key_file.read_bytes()
    with pytest.raises(WrongState):
        create_master_key(key_file)
    assert key_file.read_bytes() == content


def test_a_key_is_not_created_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "master.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WrongState):
        create_master_key(tmp_path / "master.key")
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_is_not_created_where_others_may_write(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o777)
    with pytest.raises(MasterKeyUnsafe, match="chmod 700"):
        create_master_key(tmp_path / "keys" / "master.key")


def test_half_a_key_is_not_left_behind(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch("app.secrets.os.fsync", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(MasterKeyUnsafe, match="No space left"):
        create_master_key(tmp_path / "master.key")
    assert not (tmp_path / "master.key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700, 0o644])
def test_a_key_file_that_others_may_reach_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(MasterKeyUnsafe, match="chmod 600"):
        load_master_key(None, key_file)


def test_a_stricter_mode_is_welcome(key_file: Path) -> None:
    key_file.chmod(0o400)
    assert load_master_key(None, key_file).key_id


def test_a_link_to_the_key_is_refused(key_file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(key_file)
    with pytest.raises(MasterKeyUnsafe, match="is a link"):
        load_master_key(None, tmp_path / "link")


def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "master.key", 0o600)
    with pytest.raises(MasterKeyUnsafe, match="regular file"):
        load_master_key(None, tmp_path / "master.key")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyUnsafe):
        load_master_key(None, tmp_path)


def test_a_key_of_another_user_is_refused(key_file: Path, mocker: MockerFixture) -> None:
    mocker.patch("app.secrets.os.geteuid", return_value=os.geteuid() + 1)
    with pytest.raises(MasterKeyUnsafe, match="chown"):
        load_master_key(None, key_file)


@pytest.mark.parametrize("content", ["", "# only a comment\n", f"{RAW.hex()}\n{RAW.hex()}\n", "\xff" * 50])
def test_a_file_that_does_not_hold_one_key_is_refused(key_file: Path, content: str) -> None:
    key_file.write_text(content)
    with pytest.raises(MasterKeyUnsafe):
        load_master_key(None, key_file)


def test_comments_and_blank_lines_in_the_file_are_skipped(key_file: Path) -> None:
    key_file.write_text(f"# from the safe\r\n\r\n{RAW.hex()}\r\n")
    assert load_master_key(None, key_file).key_id == KEY.key_id


def test_the_setting_counts_before_the_file(key_file: Path) -> None:
    assert load_master_key(RAW.hex(), key_file).key_id == KEY.key_id


def test_the_example_is_refused_as_a_key(tmp_path: Path) -> None:
    copy = tmp_path / "master.key"
    copy.write_bytes(EXAMPLE.read_bytes())
    copy.chmod(0o600)
    with pytest.raises(MasterKeyUnsafe, match="flask --app wsgi init"):
        load_master_key(None, copy)
