"""What a refused act is about: read from whatever a node prints, bounded, and harmless for terminal and page."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.commands.gitstatus import Change
from app.commands.refusals import COMMITS_LIMIT, FILES_LIMIT, PATH_LIMIT, SUBJECT_LIMIT, Refusal, parse_refusal
from tests.commands.acts import code, make_delete, make_pull
from tests.commands.shells import Node
from tests.support.forge import Forge, commit, git

HOSTILE = "-x \x1b[31m<script>\u202ename\n? here 5"
SAFE = "-x \\x1b[31m<script>\\u202ename\\n? here 5"
SHA = "0123456789abcdef0123456789abcdef01234567"


def refusal_of(node: Node, root: Path, forge: Forge, expected: str, **options: object) -> Refusal:
    result = node.run(make_pull(root, forge, **options))
    assert code(result) == expected, result.words
    found = parse_refusal(result.stdout)
    assert found
    return found


def test_commits_of_both_sides_are_listed_and_the_rest_is_counted(
    node: Node, root: Path, forge: Forge, cloned: Path
) -> None:
    for number in range(COMMITS_LIMIT + 3):
        git("commit", "-q", "--allow-empty", "-m", f"mine {number}", cwd=cloned)
    head = git("rev-parse", "HEAD", cwd=cloned)
    theirs = forge.push(message="theirs\x1b[31m " + "x" * 100_000)
    found = refusal_of(node, root, forge, "not_fast_forward")
    assert (len(found.commits_here), found.commits_here_left_out) == (COMMITS_LIMIT, 3)
    assert found.commits_here[0] == (head, f"mine {COMMITS_LIMIT + 2}")
    ((sha, subject),) = found.commits_upstream
    assert (sha, len(subject), found.commits_upstream_left_out) == (theirs, SUBJECT_LIMIT, 0)
    assert subject.startswith("theirs\\x1b[31m xxx")
    assert (found.files, found.files_left_out) == ((), 0)


def test_changed_files_are_listed_whatever_they_are_called(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    for name in (HOSTILE, *(f"f{number:03}" for number in range(FILES_LIMIT + 2))):
        (cloned / name).write_text("x\n")
    git("add", "-A", cwd=cloned)
    git("mv", "--", "README", "-moved", cwd=cloned)
    forge.push()
    found = refusal_of(node, root, forge, "tree_dirty")
    assert (len(found.files), found.files_left_out) == (FILES_LIMIT, 4)
    assert (Change("-moved", "renamed") in found.files, Change(SAFE, "added") in found.files) == (True, True)
    assert (found.commits_here, found.commits_upstream) == ((), ())


def test_conflicts_of_a_rebase_and_of_a_stash_are_listed(node: Node, root: Path, forge: Forge, cloned: Path) -> None:
    commit(cloned, "README", "mine\n")
    forge.push(text="theirs\n")
    expected = Refusal(files=(Change("README", "conflicted"),))
    assert refusal_of(node, root, forge, "pull_conflict", strategy="rebase") == expected
    git("reset", "-q", "--hard", "HEAD~1", cwd=cloned)
    (cloned / "README").write_text("mine\n")
    assert refusal_of(node, root, forge, "pull_conflict", strategy="stash", job_key="job-9") == expected


def test_a_deletion_that_is_refused_for_changes_lists_them(dash: Node, root: Path, cloned: Path) -> None:
    (cloned / "new").write_text("x\n")
    assert parse_refusal(dash.run(make_delete(root)).stdout) == Refusal(files=(Change("new", "untracked"),))


def test_a_file_is_not_taken_for_a_section() -> None:
    found = parse_refusal(b"changes 2\0? here 3\0? conflicts 4\0")
    assert found == Refusal(files=(Change("here 3", "untracked"), Change("conflicts 4", "untracked")))
    assert parse_refusal(b"conflicts 2\0here 3\0upstream 4\0") == Refusal(
        files=(Change("here 3", "conflicted"), Change("upstream 4", "conflicted"))
    )


def test_a_report_that_was_cut_off_tells_what_is_there() -> None:
    found = parse_refusal(f"here 7\0{SHA} one\0{SHA[:9]}".encode())
    assert found == Refusal(commits_here=((SHA, "one"),), commits_here_left_out=6)
    assert (parse_refusal(b""), parse_refusal(b"\0"), parse_refusal(b"kept\n")) == (None, None, None)


@given(st.binary(max_size=300), st.sampled_from([b"here 3\0", b"upstream 9\0", b"changes 5\0", b"conflicts 1\0", b""]))
def test_whatever_a_node_prints_is_bounded_and_is_json(output: bytes, start: bytes) -> None:
    found = parse_refusal(start + output) or Refusal()
    assert len(found.commits_here) <= COMMITS_LIMIT
    assert len(found.files) <= FILES_LIMIT
    assert all(len(file.path) <= PATH_LIMIT for file in found.files)
    assert "\x1b" not in json.dumps(found.as_json(), ensure_ascii=False)
