"""Secrets taken out of streams, text made safe to show."""

import base64
import logging
import sys
import unicodedata
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.redaction import LineFormatter, Redactor, printable, redact_url
from app.secrets import Secret

# Few letters, so that values overlap, touch and repeat.
VALUES = st.lists(st.text("ab", min_size=4, max_size=9), max_size=4)
STREAMS = st.text("ab.", max_size=120)
CUTS = st.lists(st.integers(0, 120), max_size=12)
LONG = "".join(f"{number:04d}-" for number in range(60))
PRIVATE_KEY = "-----BEGIN KEY-----\nMHcCAQEEIBkg4LVWM9nuwNSk\nyhYcVkBX9mYk4\n-----END KEY-----\n"


def redact(stream: bytes, *values: str) -> bytes:
    redactor = Redactor(Secret(value) for value in values)
    return redactor.feed(stream) + redactor.flush()


@given(values=VALUES, text=STREAMS, cuts=CUTS)
def test_chunking_never_changes_the_outcome(values: list[str], text: str, cuts: list[int]) -> None:
    redactor = Redactor(Secret(value) for value in values)
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    chunks = [text[start:end].encode() for start, end in pairwise(borders)]
    assert b"".join(map(redactor.feed, chunks)) + redactor.flush() == redact(text.encode(), *values)


@given(values=VALUES, text=STREAMS)
def test_every_byte_of_every_occurrence_is_masked_and_no_other(values: list[str], text: str) -> None:
    covered = [False] * len(text)
    for value in values:
        for start in range(len(text)):
            if text.startswith(value, start):
                covered[start : start + len(value)] = [True] * len(value)
    kept = "".join("*" if hidden else character for character, hidden in zip(text, covered, strict=True))
    while "**" in kept:
        kept = kept.replace("**", "*")
    assert redact(text.encode(), *values) == kept.replace("*", "***").encode()


@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_a_long_value_is_masked_once_however_it_is_cut(cuts: list[int]) -> None:
    stream = f"<{LONG}>{LONG}".encode()
    borders = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    redactor = Redactor([Secret(LONG)])
    given_out = b"".join(redactor.feed(stream[start:end]) for start, end in pairwise(borders))
    assert given_out + redactor.flush() == b"<***>***"


@given(stream=st.binary(max_size=300))
def test_without_secrets_nothing_changes_and_nothing_is_held(stream: bytes) -> None:
    assert Redactor([]).feed(stream) == stream


@pytest.mark.parametrize(
    "form",
    [
        "p@ss/w?rd+1 é~",
        quote("p@ss/w?rd+1 é~"),
        quote("p@ss/w?rd+1 é~", safe=""),
        quote("p@ss/w?rd+1 é~", safe="").lower(),
        quote_plus("p@ss/w?rd+1 é~"),
        base64.b64encode("p@ss/w?rd+1 é~".encode()).decode(),
        base64.urlsafe_b64encode("p@ss/w?rd+1 é~".encode()).decode(),
    ],
)
def test_quoted_and_encoded_forms_are_masked_whole(form: str) -> None:
    assert redact(f"a {form} z".encode(), "p@ss/w?rd+1 é~") == b"a *** z"


@given(before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_in_longer_base64_at_most_the_value_s_border_bits_remain(before: bytes, after: bytes) -> None:
    value = "correct horse battery"
    masked = redact(base64.b64encode(before + value.encode() + after), value)
    around = masked.split(b"***")
    assert len(around) == 2
    assert sum(map(len, around)) <= 4 * (len(before) + len(after)) // 3 + 8


def test_every_line_of_a_key_is_masked_even_indented_and_with_other_line_ends() -> None:
    masked = redact(PRIVATE_KEY.replace("\n", "\r\n    ").encode(), PRIVATE_KEY)
    assert b"MHcC" not in masked
    assert b"yhYc" not in masked


def test_values_of_fewer_than_four_bytes_are_left() -> None:
    assert redact(b"abc abcd", "abc", "") == b"abc abcd"


def test_only_what_might_begin_a_value_is_held_back() -> None:
    redactor = Redactor([Secret("hunter2!")])
    assert redactor.feed(b"Receiving objects: 42%\r") == b"Receiving objects: 42%\r"
    assert redactor.feed(b"the hun") == b"the "
    assert redactor.feed(b"t") == b""
    assert redactor.feed(b" is on") == b"hunt is on"
    assert redactor.flush() == b""


def test_a_mask_is_given_out_without_waiting() -> None:
    assert Redactor([Secret("hunter2!")]).feed(b"hunter2!") == b"***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pw@host/x", "https://***@host/x"),
        ("https://token@host/x.git", "https://***@host/x.git"),
        ("HTTPS://token@host", "HTTPS://***@host"),
        ("https://user:p@ss@host/x", "https://***@host/x"),
        ("https://user:pa/ss@host/x", "https://***@host/x"),
        ("fatal: 'https://a:b@c/d' and http://e:f@g", "fatal: 'https://***@c/d' and http://***@g"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("git+ssh://git@host/x", "git+ssh://git@host/x"),
        ("ssh://git:pw@host/x", "ssh://***@host/x"),
        ("git@host:x/y.git", "git@host:x/y.git"),
        ("https://host/x@y", "https://host/x@y"),
        ("https://host:8443/x@y", "https://host:8443/x@y"),
        ("http://[::1]:5000/x@y", "http://[::1]:5000/x@y"),
        ("https://host:443 me@example.org", "https://host:443 me@example.org"),
        ("no address", "no address"),
    ],
)
def test_user_and_password_are_taken_out_of_urls(text: str, shown: str) -> None:
    assert redact_url(text) == shown


@given(user=st.text("abc%40:", max_size=9), password=st.text("xyz%40/@:", min_size=1, max_size=9))
def test_no_password_survives_in_an_https_url(user: str, password: str) -> None:
    assert f"!{password}!" not in redact_url(f"https://u{user}:!{password}!@host/path")


def test_a_hostile_line_is_redacted_in_no_time() -> None:
    hostile = "://:x" * 40_000
    assert redact_url(hostile) == hostile


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"plain \xc3\xa9", "plain é"),
        (b"bad \xff\xc3", "bad \ufffd\ufffd"),
        ("a\tb\nc", "a\tb\nc"),
        ("one\r\ntwo\rthree\r\r\nfour", "one\ntwo\nthree\nfour"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x00\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"),
        ("a\u202eb\u2066c\u200fd\u061ce", "a\\u202eb\\u2066c\\u200fd\\u061ce"),
        ("line\u2028separator", "line\\u2028separator"),
        ("lone \ud83d surrogate", "lone \\ud83d surrogate"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("family 👨\u200d👩 stays", "family 👨\u200d👩 stays"),
        ("{{7*7}} <b>", "{{7*7}} <b>"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_as_an_escape(text: str | bytes, shown: str) -> None:
    assert printable(text) == shown


@given(text=st.one_of(st.binary(max_size=200), st.text(st.characters(codec=None), max_size=200)))
def test_printable_text_holds_no_control_and_is_printable_already(text: str | bytes) -> None:
    shown = printable(text)
    assert all(unicodedata.category(character) not in {"Cc", "Cs"} or character in "\n\t" for character in shown)
    assert not any(unicodedata.bidirectional(character) in BIDI_CONTROLS for character in shown)
    assert printable(shown) == shown


@given(text=st.text(max_size=50), limit=st.integers(0, 30))
def test_printable_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert (shown == printable(text)) == (len(printable(text)) <= limit)


BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_a_message_in_the_log_is_one_line_whatever_is_in_it() -> None:
    said = "fatal: x\n[2026-01-01] [INFO] app: all is well\r\x1b[2J"
    try:
        raise ValueError("a\x1b[2Jb")
    except ValueError:
        record = logging.LogRecord("app", logging.ERROR, __file__, 1, "node says %s", (said,), sys.exc_info())
    lines = LineFormatter("[%(levelname)s] %(message)s").format(record).splitlines()
    assert lines[0] == r"[ERROR] node says fatal: x\n[2026-01-01] [INFO] app: all is well\n\x1b[2J"
    assert lines[1].startswith("Traceback")
    assert lines[-1] == r"ValueError: a\x1b[2Jb"
