import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.gitstatus import CHANGES_LIMIT, Change, Head, parse_outcome, parse_status
from app.errors import ActFailed

SHA = "0123456789abcdef0123456789abcdef01234567"
HEAD = f"{SHA}\0a subject\0an author\x002026-01-02T03:04:05+02:00\0".encode()
BRANCH = f"# branch.oid {SHA}\0# branch.head main\0".encode()
MODES = f"N... 100644 100644 100644 {SHA} {SHA}"


def entry(text: str) -> bytes:
    return text.encode() + b"\0"


def test_a_head_is_read() -> None:
    got = parse_status(HEAD + BRANCH)
    assert got.head == Head(SHA, "a subject", "an author", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC))
    assert (got.upstream, got.ahead, got.behind, got.dirty, got.truncated) == (None, None, None, False, False)


def test_a_repository_without_a_commit_has_no_head() -> None:
    got = parse_status(b"\0\0\0\0# branch.oid (initial)\0# branch.head main\0? a\0")
    assert (got.head, got.branch, got.dirty) == (None, "main", True)


def test_an_upstream_that_is_gone_has_no_counts() -> None:
    got = parse_status(HEAD + BRANCH + b"# branch.upstream origin/main\0")
    assert (got.upstream, got.ahead, got.behind) == ("origin/main", None, None)


def test_a_rename_takes_its_former_name_along() -> None:
    got = parse_status(HEAD + BRANCH + entry(f"2 R. {MODES} R100 new name") + entry("? old") + entry("? other"))
    assert got.changes == (Change("new name", "renamed"), Change("other", "untracked"))


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        (".M", "modified"),
        ("M.", "modified"),
        ("A.", "added"),
        ("AM", "added"),
        (".D", "deleted"),
        ("MD", "deleted"),
        (".T", "type_changed"),
        ("??", "modified"),
    ],
)
def test_letters_become_a_word(letters: str, state: str) -> None:
    assert parse_status(HEAD + BRANCH + entry(f"1 {letters} {MODES} a b")).changes == (Change("a b", state),)


def test_a_conflict_is_told() -> None:
    line = f"u UU N... 100644 100644 100644 100644 {SHA} {SHA} {SHA} a"
    assert parse_status(HEAD + BRANCH + entry(line)).changes == (Change("a", "conflicted"),)


def test_a_last_entry_that_was_cut_is_left_out() -> None:
    got = parse_status(HEAD + BRANCH + b"? whole\0? cut of")
    assert (got.changes, got.truncated) == ((Change("whole", "untracked"),), True)


def test_more_changes_than_the_limit_are_not_kept() -> None:
    got = parse_status(HEAD + BRANCH + b"".join(entry(f"? {number}") for number in range(CHANGES_LIMIT + 1)))
    assert (len(got.changes), got.truncated) == (CHANGES_LIMIT, True)


def test_exactly_the_limit_is_not_truncated() -> None:
    got = parse_status(HEAD + BRANCH + b"".join(entry(f"? {number}") for number in range(CHANGES_LIMIT)))
    assert (len(got.changes), got.truncated) == (CHANGES_LIMIT, False)


def test_a_date_beyond_the_calendar_is_none() -> None:
    got = parse_outcome(f"{SHA}\0s\0a\x009999999-99-99\0main\0\0".encode())
    assert (got.head.committed_at, got.branch, got.recovery_ref) == (None, "main", None)


def test_long_texts_are_cut() -> None:
    got = parse_outcome(f"{SHA}\0{'s' * 100_000}\0a\0\0\0refs/bareboat/recovery/1\0".encode())
    assert (len(got.head.subject), got.branch, got.recovery_ref) == (500, None, "refs/bareboat/recovery/1")


@given(st.binary(max_size=200) | st.lists(st.sampled_from([HEAD, BRANCH, b"\0", b"? a", b"1 ", b"2 R"])).map(b"".join))
def test_any_bytes_are_read_or_refused(output: bytes) -> None:
    for parse in (parse_status, parse_outcome):
        with contextlib.suppress(ActFailed):
            parse(output)
