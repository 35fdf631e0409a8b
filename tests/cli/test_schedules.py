from app.db import unit_of_work, utcnow
from app.models import Project, ProjectStatus
from tests.cli.conftest import Installation, end


def with_project(installed: Installation) -> None:
    """Nothing is said to its node: a schedule may be made for any project."""
    installed.ok("node", "add", "web-1", "192.0.2.1")
    app = installed.app()
    with app.app_context(), unit_of_work() as session:
        values = {"git_url": "https://git.example.com/shop.git", "status": ProjectStatus.ACTIVE, "cloned_at": utcnow()}
        session.add(Project(name="shop", name_folded="shop", node_id=1, **values))
    end(app)


def test_a_schedule_is_added_listed_turned_off_and_on_and_deleted(installed: Installation) -> None:
    with_project(installed)
    words = ("--cron", "30 4 * * *", "--timezone", "Asia/Tokyo", "--strategy", "reset", "--overlap", "queue")
    added = installed.ok("schedule", "add", "nightly", "--project", "shop", *words, "--catch-up", "skip")
    assert added.startswith("Schedule nightly: next run ")
    assert added.endswith("04:30+09:00")
    (row,) = installed.json("schedule", "list")
    assert (row["params"], row["overlap"], row["catch_up"]) == ({"strategy": "reset"}, "queue", "skip")
    assert row["created_by"].startswith("cli:")
    assert "04:30+09:00" in installed.ok("schedule", "list")

    assert installed.ok("schedule", "disable", "nightly") == "Schedule nightly: next run off"
    assert installed.json("schedule", "list")[0]["next_run_at"] is None
    assert "04:30+09:00" in installed.ok("schedule", "enable", "nightly")
    assert installed.ok("schedule", "delete", "nightly") == "Schedule nightly is deleted"
    assert installed.json("schedule", "list") == []


def test_a_bad_expression_is_refused_with_field_and_rule(installed: Installation) -> None:
    with_project(installed)
    refused = installed.run("schedule", "add", "n", "--project", "shop", "--cron", "0 25 * * *")
    assert refused.exit_code == 1
    assert "cron: The hour '25' is not allowed" in refused.stderr


def test_what_is_not_there_is_said(installed: Installation) -> None:
    assert "There is no schedule 'x'" in installed.run("schedule", "delete", "x").stderr
    assert "There is no project 'x'" in installed.run("schedule", "add", "n", "--project", "x", "--cron", "x").stderr


def test_a_command_is_scheduled_word_by_word(installed: Installation) -> None:
    with_project(installed)
    installed.ok("schedule", "add", "make", "--project", "shop", "--cron", "0 4 * * *", "--", "make", "-j2", "a b")
    (row,) = installed.json("schedule", "list")
    assert (row["kind"], row["params"]) == ("project.command", {"argv": ["make", "-j2", "a b"]})
    assert "command make -j2 'a b'" in installed.ok("schedule", "list")


def test_a_playbook_is_scheduled_with_its_inputs(installed: Installation) -> None:
    with_project(installed)
    add = ("schedule", "add", "hello", "--project", "shop", "--cron", "0 4 * * *")
    given = ("--input", "times=3", "--input", "greeting=a = $(b)", "--input", "loud=true")
    assert installed.ok(*add, "--playbook", "example", *given).startswith("Schedule hello: next run ")
    (row,) = installed.json("schedule", "list")
    inputs = {"greeting": "a = $(b)", "times": 3, "loud": True, "place": "here"}
    assert (row["kind"], row["params"]) == ("project.playbook", {"name": "example", "inputs": inputs})
    assert "playbook example 'greeting=a = $(b)'" in installed.ok("schedule", "list")


def test_a_playbook_that_could_not_run_is_not_scheduled(installed: Installation) -> None:
    with_project(installed)
    add = ("schedule", "add", "hello", "--project", "shop", "--cron", "0 4 * * *")

    def refused(*words: str) -> str:
        result = installed.run(*add, *words)
        assert result.exit_code == 1
        return str(result.stderr)

    assert "times: Write a whole number." in refused("--playbook", "example", "--input", "times=many")
    assert "There is no playbook 'none'" in refused("--playbook", "none")
    assert "is for nodes; choose one for projects" in refused("--playbook", "node-report")
    assert "an admin allows it" in refused("--playbook", "deploy", "--own")
    assert "leave out all but one of -- PROGRAM, --playbook" in refused("--playbook", "example", "--", "make")
    assert "name it with --playbook NAME" in refused("--input", "a=b")
    assert installed.json("schedule", "list") == []
