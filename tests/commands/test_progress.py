from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.commands.progress import LINE_LIMIT_BYTES, Progress, ProgressParser

CLONE = (
    b"Cloning into './job'...\n"
    b"remote: Enumerating objects: 20000, done.        \n"
    b"remote: Counting objects:  50% (10000/20000)        \r"
    b"remote: Counting objects: 100% (20000/20000), done.        \n"
    b"remote: Compressing objects: 100% (300/300), done.        \n"
    b"Receiving objects:   0% (1/20000)\rReceiving objects:  61% (12345/20000), 12.00 MiB | 3.10 MiB/s\r"
    b"Receiving objects: 100% (20000/20000), 20.00 MiB | 3.10 MiB/s, done.\n"
    b"remote: Total 20000 (delta 1), reused 0 (delta 0), pack-reused 0        \n"
    b"Resolving deltas:  50% (1/2)\rResolving deltas: 100% (2/2), done.\n"
    b"Updating files:  50% (5/10)\rUpdating files: 100% (10/10), done.\n"
    b"Submodule 'lib' (https://h/lib) registered for path 'lib'\n"
    b"Cloning into '/data/lib'...\n"
    b"remote: Counting objects: 100% (1/1), done.\n"
)


def test_a_clone_goes_through_its_phases() -> None:
    steps = ProgressParser().feed(CLONE)
    phases = list(dict.fromkeys(step.phase for step in steps))
    assert phases == ["remote", "receiving", "resolving", "checkout", "submodules"]


def test_the_percentage_never_falls() -> None:
    percents = [step.percent for step in ProgressParser().feed(CLONE)]
    assert all(before <= after for before, after in pairwise(percents))
    assert (percents[0], percents[-1]) == (0, 97)


def test_a_detail_tells_how_much_and_how_fast() -> None:
    steps = ProgressParser().feed(CLONE)
    assert Progress("receiving", 46, "12,345 of 20,000 objects, 3.10 MiB/s") in steps
    assert Progress("checkout", 91, "5 of 10 files") in steps


def test_the_log_has_each_line_once_and_no_carriage_returns() -> None:
    parser = ProgressParser()
    parser.feed(CLONE)
    log = parser.take_log()
    assert "\r" not in log
    assert log.count("Receiving objects") == 1
    assert "remote: Total 20000" in log
    assert parser.take_log() == ""


def test_words_of_a_server_are_log_and_no_progress() -> None:
    parser = ProgressParser()
    assert parser.feed(b"remote: Hello: 50% (1/2)\nwarning: x\n") == []
    assert parser.take_log() == "remote: Hello: 50% (1/2)\nwarning: x\n"


def test_a_line_without_an_end_is_kept_bounded() -> None:
    parser = ProgressParser()
    for _ in range(100):
        parser.feed(b"x" * 1000)
    parser.finish()
    assert max(map(len, parser.take_log().splitlines())) <= LINE_LIMIT_BYTES


def test_the_rest_is_read_at_the_end() -> None:
    parser = ProgressParser()
    assert parser.feed(b"fatal: no end") == []
    assert parser.finish() == []
    assert parser.take_log() == "fatal: no end\n"


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_pieces_make_no_difference(sizes: list[int]) -> None:
    whole, parser, steps, rest = ProgressParser(), ProgressParser(), [], CLONE
    for size in [*sizes, len(CLONE)]:
        steps += parser.feed(rest[:size])
        rest = rest[size:]
    assert steps == whole.feed(CLONE)
    assert parser.take_log() == whole.take_log()


@given(st.binary(max_size=300))
def test_any_bytes_can_be_fed(data: bytes) -> None:
    parser = ProgressParser()
    parser.feed(data)
    parser.finish()
