from typing import Any

import pytest
from marshmallow import ValidationError

from app.schemas.projects import CheckoutSchema, CloneSchema, PullSchema, ReportSchema

CLONE: dict[str, Any] = {"name": "shop", "git_url": "https://git.example.com/shop/web.git", "node_id": 1}


def refused(schema: Any, values: Any) -> Any:
    with pytest.raises(ValidationError) as caught:
        schema.load(values)
    return caught.value.messages


def test_a_plain_clone_is_taken_as_it_is() -> None:
    assert CloneSchema().load(CLONE) == CLONE


@pytest.mark.parametrize("field", ["name", "git_url", "branch"])
@pytest.mark.parametrize("text", ["", "\0", "a\nb", "-rf", "../x", "x" * 3000, "\ud800", " "])
def test_a_hostile_text_is_refused_by_field(field: str, text: str) -> None:
    assert list(refused(CloneSchema(), CLONE | {field: text})) == [field]


@pytest.mark.parametrize("name", [".", "..", "a.git", "a.lock", "a.", "a/b", "x;reboot", "x" * 64, "é"])
def test_a_project_name_keeps_its_rule(name: str) -> None:
    assert list(refused(CloneSchema(), CLONE | {"name": name})) == ["name"]


@pytest.mark.parametrize(
    "url",
    ["file:///etc", "/srv/x", "ext::sh -c id", "https://u:p@h/x", "ssh://-oProxyCommand=id/x", "https://h/$(id) x"],
)
def test_a_git_address_keeps_its_grammar(url: str) -> None:
    assert list(refused(CloneSchema(), CLONE | {"git_url": url})) == ["git_url"]


@pytest.mark.parametrize("depth", [0, -1, "1", 1.0, True, 10**9])
def test_a_depth_is_a_whole_number_in_range(depth: Any) -> None:
    assert list(refused(CloneSchema(), CLONE | {"depth": depth})) == ["depth"]


@pytest.mark.parametrize("ref", ["", "-x", "a..b", "HEAD", "refs/heads/x", "a b", "x" * 300])
def test_a_ref_keeps_its_rule(ref: str) -> None:
    assert list(refused(CheckoutSchema(), {"ref": ref})) == ["ref"]


def test_a_pull_is_fast_forward_only_unless_told_otherwise() -> None:
    assert PullSchema().load({}) == {"strategy": "ff-only"}


def test_a_strategy_is_one_that_we_have() -> None:
    assert list(refused(PullSchema(), {"strategy": "merge"})) == ["strategy"]


@pytest.mark.parametrize("status", ["SYNCING", "DELETING", "PENDING", "active", "", 1])
def test_a_node_reports_only_how_a_project_is(status: Any) -> None:
    assert list(refused(ReportSchema(), {"status": status})) == ["status"]
