"""The program that runs a playbook's steps, in real shells."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.commands import steps
from app.commands.paths import ProjectName, ProjectsRoot
from app.commands.steps import Step
from app.errors import Invalid
from tests.commands.shells import Node, Result

MARK = "0123456789ab"
SHOP = ProjectName("shop")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "root" / "shop"
    folder.mkdir(parents=True)
    return folder


def step(*argv: str, **fields: object) -> Step:
    asked = Step(" ".join(argv)[:30], argv, None, {}, 60)
    return replace(asked, **fields)  # type: ignore[arg-type]


def run(node: Node, project: Path, *asked: Step) -> tuple[Result, list[str]]:
    root = ProjectsRoot(str(project.parent))
    result = node.run(steps.run(root, SHOP, asked, "job-1", MARK, 60))
    return result, [told["outcome"] for told in steps.recap(asked, result.stdout, MARK)]


def test_steps_run_in_order_and_the_first_failure_ends_them(node: Node, project: Path) -> None:
    result, outcomes = run(node, project, step("true"), step("sh", "-c", "exit 3"), step("touch", "never"))
    assert (result.status, outcomes) == (3, ["changed", "failed", "not_run"])
    assert not (project / "never").exists()


def test_what_a_step_came_to_is_told(node: Node, project: Path) -> None:
    asked = (step("sh", "-c", "exit 4", ignore_errors=True, retries=1), step("true", changes=False))
    result, outcomes = run(node, project, *asked)
    assert (result.status, outcomes) == (0, ["ignored", "ok"])
    first = steps.recap(asked, result.stdout, MARK)[0]
    assert (first["exit_status"], first["tries"], first["name"]) == (4, 2, "sh -c exit 4")


def test_a_retry_ends_when_it_works(node: Node, project: Path) -> None:
    again = step("sh", "-c", "[ -e x ] || { touch x; exit 1; }", retries=5)
    result, outcomes = run(node, project, again)
    assert (result.status, outcomes) == (0, ["changed"])


@pytest.mark.parametrize(
    ("when", "outcome"),
    [
        (("exists", "here", ""), "changed"),
        (("exists", "$(touch x)", ""), "skipped"),
        (("missing", "here", ""), "skipped"),
        (("missing", "there", ""), "changed"),
        (("step", "1", "failed"), "changed"),
        (("step", "1", "ok"), "skipped"),
        (("step", "2", "skipped"), "changed"),
        (("step", "2", "changed"), "skipped"),
        (("always", "", ""), "changed"),
        (("never", "", ""), "skipped"),
    ],
)
def test_a_condition_decides(node: Node, project: Path, when: tuple[str, str, str], outcome: str) -> None:
    (project / "here").touch()
    earlier = step("false", ignore_errors=True), step("true", creates="here")
    _, outcomes = run(node, project, *earlier, step("true", when=(when,)))
    assert outcomes == ["ignored", "skipped", outcome]
    assert not (project / "x").exists()


def test_all_conditions_must_hold(node: Node, project: Path) -> None:
    both = (("missing", "a", ""), ("exists", "b", ""))
    assert run(node, project, step("true", when=both))[1] == ["skipped"]


def test_a_step_has_its_folder_and_its_variables_and_the_next_one_has_not(node: Node, project: Path) -> None:
    (project / "web").mkdir()
    show = "pwd -P; printf '%s|' \"$A\""
    asked = step("sh", "-c", show, cwd="web", environment={"A": "x y\nz'$B"}), step("sh", "-c", show)
    output = run(node, project, *asked)[0].stdout.decode()
    assert f"{project}/web\nx y\nz'$B|" in output
    assert f"{project}\n|" in output


def test_a_folder_that_leads_out_is_refused(node: Node, project: Path) -> None:
    (project / "out").symlink_to("/")
    result, outcomes = run(node, project, step("touch", "x", cwd="out"))
    assert (result.status, outcomes) == (75, ["failed"])


def test_a_word_that_leads_out_by_a_link_is_refused(node: Node, project: Path) -> None:
    (project / "out").symlink_to("/etc")
    result, outcomes = run(node, project, step("cat", f"{project}/out/passwd"))
    assert (result.status, outcomes) == (75, ["failed"])
    assert b"root:" not in result.stdout


def test_a_step_that_hangs_ends_at_its_limit(node: Node, project: Path) -> None:
    _, outcomes = run(node, project, step("sleep", "50", timeout_seconds=1), step("true"))
    assert outcomes == ["timed_out", "not_run"]


def test_a_step_cannot_tell_of_itself_what_it_was_not(node: Node, project: Path) -> None:
    forged = "== step 1 of 1 ok (exit 0, 0 s, tries 1) [ffffffffffff]"
    assert run(node, project, step("sh", "-c", f"echo '{forged}'; exit 1"))[1] == ["failed"]


def test_without_a_project_paths_are_the_account_s_own(node: Node, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    asked = step("pwd", cwd="/"), step("touch", "made"), step("true", creates=f"{home}/made")
    result = node.run(steps.run(ProjectsRoot(str(home)), None, asked, "job-1", MARK, 60))
    assert [told["outcome"] for told in steps.recap(asked, result.stdout, MARK)] == ["changed", "changed", "skipped"]
    assert (home / "made").exists()


def test_more_words_than_the_kernel_takes_are_refused() -> None:
    with pytest.raises(Invalid, match="must not be longer"):
        steps.run(ProjectsRoot("/data"), SHOP, [step("a", "x" * 100_000)] * 6, "job-1", MARK, 60)
