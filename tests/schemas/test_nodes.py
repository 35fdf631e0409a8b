from typing import Any

import pytest
from marshmallow import ValidationError

from app.schemas.nodes import NodeCreateSchema, NodeQuery, NodeUpdateSchema

NODE: dict[str, Any] = {"name": "web-1", "hostname": "web-1.example.com", "ssh_user": "deploy"}
HOSTILE_TEXTS = [
    "",
    "\0",
    "a\nb",
    "a\r",
    "-rf",
    "x;reboot",
    "../x",
    "$(id)",
    "`id`",
    "a b",
    "x" * 300,
    "\ud800",
    "é\u2028",
]


def refused(schema: Any, values: Any) -> Any:
    with pytest.raises(ValidationError) as caught:
        schema.load(values)
    return caught.value.messages


def test_a_plain_node_is_taken_as_it_is() -> None:
    assert NodeCreateSchema().load(NODE) == NODE


@pytest.mark.parametrize("field", ["name", "hostname", "ssh_user", "projects_root", "editor_url"])
@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_hostile_text_is_refused_by_field(field: str, text: str) -> None:
    assert list(refused(NodeCreateSchema(), NODE | {field: text})) == [field]


@pytest.mark.parametrize("field", ["name", "hostname", "ssh_user", "projects_root", "editor_url"])
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, ["web-1"]])
def test_a_text_must_be_a_text(field: str, value: Any) -> None:
    assert list(refused(NodeCreateSchema(), NODE | {field: value})) == [field]


@pytest.mark.parametrize(
    "hostname", ["web-1", "a.b.c", "192.0.2.1", "2001:db8::1", "::1", "my_node", "x" * 63, "xn--bcher-kva.example"]
)
def test_names_and_addresses_are_hosts(hostname: str) -> None:
    assert NodeCreateSchema().load(NODE | {"hostname": hostname})["hostname"] == hostname


@pytest.mark.parametrize(
    "hostname",
    [
        "[::1]",
        "fe80::1%eth0",
        "127.1",
        "0x7f.1",
        "2130706433",
        "1.2.3.256",
        "a..b",
        ".a",
        "a.",
        "a-",
        "x" * 64,
        "a:22",
        "a/b",
    ],
)
def test_what_only_a_resolver_would_take_is_no_host(hostname: str) -> None:
    assert "hostname" in refused(NodeCreateSchema(), NODE | {"hostname": hostname})


@pytest.mark.parametrize("port", [0, 65536, -1, "22", 22.0, True, None, 10**30])
def test_a_port_is_a_whole_number_in_range(port: Any) -> None:
    assert "ssh_port" in refused(NodeCreateSchema(), NODE | {"ssh_port": port})


@pytest.mark.parametrize("value", [0, 1, "true", "yes", None])
def test_a_boolean_is_true_or_false_and_nothing_alike(value: Any) -> None:
    assert "cordoned" in refused(NodeCreateSchema(), NODE | {"cordoned": value})


@pytest.mark.parametrize("key_id", [0, -1, "1", 1.0, True, 2**63])
def test_an_id_is_a_positive_64_bit_number(key_id: Any) -> None:
    assert "ssh_key_id" in refused(NodeCreateSchema(), NODE | {"ssh_key_id": key_id})


@pytest.mark.parametrize(
    "labels", [{"a": 1}, {"": "x"}, {"a\n": "x"}, {"a": "x" * 256}, {"a": {}}, [], {f"l{n}": "" for n in range(33)}]
)
def test_labels_are_few_short_words(labels: Any) -> None:
    assert "labels" in refused(NodeCreateSchema(), NODE | {"labels": labels})


@pytest.mark.parametrize(
    "url", ["https://code.example.com/", "http://[::1]:8443/x?folder=/data", "https://c.example:8443"]
)
def test_an_editor_has_a_web_address(url: str) -> None:
    assert NodeCreateSchema().load(NODE | {"editor_url": url})["editor_url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//x.example",
        "https://",
        "ftp://x",
        "https://u:p@x/",
        "https://x:99999/",
        "https://[::1",
        "https:///x",
    ],
)
def test_what_is_no_web_address_is_no_editor(url: str) -> None:
    assert "editor_url" in refused(NodeCreateSchema(), NODE | {"editor_url": url})


@pytest.mark.parametrize("field", ["id", "status", "facts", "token_hash", "jump_node_id", "created_at", "__class__"])
def test_what_is_not_for_clients_to_set_is_unknown(field: str) -> None:
    assert list(refused(NodeCreateSchema(), NODE | {field: "x"})) == [field]


@pytest.mark.parametrize("body", [None, [], "x", 1, [NODE]])
def test_a_node_is_an_object(body: Any) -> None:
    assert "_schema" in refused(NodeCreateSchema(), body)


def test_a_change_names_something() -> None:
    assert "_schema" in refused(NodeUpdateSchema(), {})


@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"page": "1_0"}, {"page": "٣"}, {"page_size": "201"}, {"page": "9" * 19}]
)
def test_a_page_is_a_plain_number_in_range(query: dict[str, str]) -> None:
    assert list(refused(NodeQuery(), query)) == list(query)


def test_filters_are_gathered_for_services() -> None:
    query = NodeQuery().load({"status": "ONLINE", "cordoned": "false", "sort": "-name"})
    assert query["filters"] == {"status": "ONLINE", "cordoned": False}
    assert (query["page"], query["page_size"], query["sort"], query["search"]) == (1, 50, "-name", None)
