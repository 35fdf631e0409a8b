"""Comparing and pinning: what may be pasted, and what a quarantined node's page says."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.db import unit_of_work
from app.errors import Invalid
from app.models import Node
from app.ssh.pins import parse_host_key
from app.web.onboarding import authorize_line, read_pasted
from tests.support.application import host_key_line
from tests.web.conftest import Person, said


def test_a_fingerprint_is_found_in_what_ssh_keygen_prints() -> None:
    printed = "256 SHA256:abc root@web-1 (ED25519)\n3072 SHA256:def root@web-1 (RSA)\n"
    assert read_pasted(printed).fingerprints == ("SHA256:abc", "SHA256:def")


def test_public_keys_are_taken_line_by_line() -> None:
    assert read_pasted("ssh-ed25519 AAAA a@b\r\n\r\necdsa-sha2-nistp256 BBBB").public_keys == (
        "ssh-ed25519 AAAA a@b",
        "ecdsa-sha2-nistp256 BBBB",
    )


def test_other_lines_are_known_hosts() -> None:
    text = "web-1 ssh-ed25519 AAAA\n"
    assert read_pasted(text).known_hosts == text


@pytest.mark.parametrize("text", ["", "  \n ", "hello", "MD5:aa:bb"])
def test_what_is_none_of_these_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_pasted(text)


def test_a_name_of_a_key_cannot_leave_the_line_for_the_console() -> None:
    line = authorize_line("ssh-ed25519 AAAA it's; reboot")
    assert """'ssh-ed25519 AAAA it'"'"'s; reboot'""" in line


def test_pasted_keys_are_pinned_and_the_bad_ones_told(ada: Person, make_node: Callable[..., int]) -> None:
    node_id = make_node(pinned=False)
    page = ada.submit(f"/nodes/{node_id}/pin", pasted=f"{host_key_line()}\n{host_key_line()}\nssh-ed25519 AAAA\n")
    assert "2 host keys pinned" in page
    assert "copy the whole line" in page or "host key" in page


def test_a_known_hosts_line_for_another_host_pins_nothing(ada: Person, make_node: Callable[..., int]) -> None:
    node_id = make_node(pinned=False)
    page = ada.submit(f"/nodes/{node_id}/pin", pasted=f"other.example.com {host_key_line()}")
    assert "None of these lines is for this node" in page
    assert "None. Nothing is ever said to a node" in page


def test_a_quarantined_node_shows_both_fingerprints_and_what_is_held(
    app: Flask, vera: Person, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    node_id, offered = make_node(), host_key_line()
    make_project(node_id)
    with app.app_context(), unit_of_work() as session:
        node = session.get_one(Node, node_id)
        node.status, node.status_reason, node.offered_host_keys = "OFFLINE", "host_key_mismatch", [offered]
        pinned = node.host_keys[0].fingerprint
    page = said(vera.get(f"/nodes/{node_id}"))
    assert "Quarantine" in page
    assert parse_host_key(offered).fingerprint in page
    assert pinned in page
    assert "New work for its 1 project is refused; jobs that were waiting are held" in page


def test_unpinning_asks_first_and_says_what_follows(ada: Person, make_node: Callable[..., int]) -> None:
    node_id = make_node()
    assert "nothing will be said to web-1" in said(ada.get(f"/nodes/{node_id}/host-keys/1/unpin"))
    assert "not trusted any more" in ada.submit(f"/nodes/{node_id}/host-keys/1/unpin")
