import json

from tests.cli.conftest import Installation

MISTYPED = "hunter2-in-a-wrong-field"


def test_a_refused_command_is_noted_by_its_name_and_without_its_values(installed: Installation) -> None:
    assert installed.run("node", "scan", MISTYPED).exit_code == 1
    events = [json.loads(line) for line in installed.ok("events", "export").splitlines()]
    refused = [event for event in events if event["action"] == "command.refused"]
    assert [(event["subject"], event["outcome"], event["detail"]) for event in refused] == [
        ("flask node scan", "refused", "not_found")
    ]
    assert refused[0]["actor"].startswith("cli:")
    assert MISTYPED not in json.dumps(events)


def test_a_refused_command_says_so_also_where_there_is_no_table_for_it(bare: Installation) -> None:
    result = bare.run("init", "--password-stdin", stdin="short\n")
    assert (result.exit_code, "invalid_value" in result.output) == (1, True), result.output
