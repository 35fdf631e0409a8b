"""Framing by nonce, however the bytes were cut."""

import pytest

from app.ssh.frames import End, Frame, Kept

NONCE = "00ff" * 8
BEGIN = f"BEGIN {NONCE}\n".encode()
END = f"\nEND {NONCE} exit 0\n".encode()
TRICKY = (
    b"",
    b"x",
    b"\n",
    b"\n\n\n",
    b"x\n",
    b"\nEND 0000 exit 0\n",
    b"\nEND",
    f"\nEND {NONCE[:-1]}".encode(),
    f"END {NONCE} exit 0".encode(),
    BEGIN,
    b"\n" * 200,
    bytes(range(256)),
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 41, 10_000])
@pytest.mark.parametrize("output", TRICKY)
def test_the_output_is_exact_wherever_it_was_cut(output: bytes, size: int) -> None:
    frame = Frame(NONCE)
    stream = b"noise\nBEGIN " + BEGIN + output + END + b"later"
    pieces = [frame.feed(stream[start : start + size]) for start in range(0, len(stream), size)]
    assert b"".join(pieces) == output
    assert frame.end == End("exit", 0)


def test_what_cannot_be_the_end_is_handed_on_at_once() -> None:
    frame = Frame(NONCE)
    assert frame.feed(BEGIN + b"line\nmore") == b"line\nmore"
    assert frame.feed(b"rest\n") == b"rest"
    assert frame.feed(b"next") == b"\nnext"


def test_a_place_has_no_status() -> None:
    frame = Frame(NONCE)
    frame.feed(BEGIN + f"\nEND {NONCE} root_missing -\n".encode())
    assert frame.end == End("root_missing", None)


def test_a_stream_without_end_gives_up_what_it_held() -> None:
    frame = Frame(NONCE)
    assert frame.feed(BEGIN + b"x\nEND") + frame.finish() == b"x\nEND"


def test_noise_alone_is_counted_and_dropped() -> None:
    frame = Frame(NONCE)
    assert frame.feed(b"n" * 5000) + frame.finish() == b""
    assert (frame.has_begun, frame.noise_bytes) == (False, 5000)


def test_an_end_with_another_nonce_is_output() -> None:
    frame = Frame(NONCE)
    assert frame.feed(BEGIN + b"\nEND ffff exit 0\n") + frame.finish() == b"\nEND ffff exit 0\n"
    assert frame.end is None


def test_little_is_kept_whole() -> None:
    kept = Kept(10)
    for byte in b"0123456789":
        kept.add(bytes([byte]))
    assert kept.value() == b"0123456789"


@pytest.mark.parametrize("size", [1, 3, 100])
def test_of_much_the_first_and_last_halves_are_kept(size: int) -> None:
    kept = Kept(10)
    stream = b"first" + b"x" * 90 + b"-last"
    for start in range(0, len(stream), size):
        kept.add(stream[start : start + size])
    assert kept.value() == "first\n[… 90 bytes left out …]\n-last".encode()
    assert kept.total_bytes == 100
