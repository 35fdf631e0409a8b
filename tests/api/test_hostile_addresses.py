"""Addresses that lead inside, however they are written, at every entrance that takes one: refused, and nothing kept."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.commands.giturl import is_address_denied
from app.config import Defaults
from app.db import db
from app.models import NotificationChannel, Project, ProjectStatus
from app.ssh.recording import RecordingNodes
from tests.support.application import GIT_URL

HOSTS = [
    *("127.0.0.1", "127.1", "127.0.0.1.", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001"),
    *("127.0.0.01", "127.0.0.0x1", "0", "0.0.0.0", "localhost", "LocalHost", "localhost.", "a.localhost"),
    *("a.localhost.", "localhost.localdomain", "ip6-localhost", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::7f00:1]", "[::ffff:0:7f00:1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[2001::80ff:fffe]"),
    *("[fe80::1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]", "[ff02::1]"),
    *("169.254.169.254", "0xa9fea9fe", "2852039166", "100.100.100.200", "224.0.0.1", "255.255.255.255"),
    *("127。0。0。1", "１２７.0.0.1", "①27.0.0.1", "ⓛocalhost"),
    *("127.0.0.1%00.example.com", "127.0.0.1\\@h.example", "h.example@127.0.0.1", "127.0.0.1#@h.example"),
]  # fmt: skip


def is_refusal(answer: TestResponse, field: str) -> bool:
    """One that names this field, in JSON or beside the field of a form."""
    return answer.status_code == 422 and (
        field in answer.json["errors"] if answer.is_json else f'id="{field}-wrong"' in answer.text
    )


@pytest.fixture
def stored(app: Flask) -> Callable[[], tuple[list[str], int]]:
    def read() -> tuple[list[str], int]:
        with app.app_context():
            urls = [project.git_url for project in db.session.query(Project)]
            return urls, db.session.query(NotificationChannel).count()

    return read


def test_no_entrance_takes_an_address_that_leads_inside(
    app: Flask,
    person_of: Callable[[str], FlaskClient],
    make_node: Callable[..., int],
    make_project: Callable[..., int],
    recording_nodes: RecordingNodes,
    stored: Callable[[], tuple[list[str], int]],
) -> None:
    admin, node_id = person_of("admin"), make_node()
    project_id = make_project(node_id, "there", cloned_at=None, status=ProjectStatus.ERROR)
    clone, channel = {"name": "new", "node_id": node_id}, {"name": "c", "kind": "json"}
    addresses, taken = [f"https://{host}/a.git" for host in HOSTS], []
    for number, url in enumerate(addresses):
        answers = {
            "clone": (admin.post("/api/v1/projects/clone", json=clone | {"git_url": url}), "git_url"),
            "channel": (admin.post("/api/v1/notification-channels", json=channel | {"url": url}), "url"),
        }
        if number % 4 == 0:  # behind these stands the same code
            scp = url.removeprefix("https://").replace("/", ":", 1)
            sent = channel | {"url": url, "node_offline": "on"}
            answers |= {
                "change": (admin.patch(f"/api/v1/projects/{project_id}", json={"git_url": url}), "git_url"),
                "scp": (admin.post("/api/v1/projects/clone", json=clone | {"git_url": f"git@{scp}"}), "git_url"),
                "page": (admin.post("/projects/new", data=clone | {"git_url": url}), "git_url"),
                "channel's page": (admin.post("/notification-channels/new", data=sent), "url"),
            }
        taken += [(name, url) for name, answer in answers.items() if not is_refusal(*answer)]
    assert taken == []
    assert stored() == ([GIT_URL], 0)
    assert recording_nodes.runs == []


INSIDE = st.sampled_from(["127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "224.0.0.0/4", "100.100.100.200/32"]).flatmap(
    lambda network: st.ip_addresses(network=network)
)
FORMS = [
    "{}",
    "::ffff:{}",
    "::{}",
    "64:ff9b::{}",
    "64:ff9b:1::{}",
    "::ffff:0:{}",
]


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(address=INSIDE, form=st.sampled_from(FORMS))
def test_an_address_inside_is_denied_in_whatever_form(address: object, form: str) -> None:
    assert is_address_denied(form.format(address), Defaults.DENIED_NETWORKS)


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(text=st.text(max_size=8), address=st.ip_addresses())
def test_what_is_more_than_an_address_is_denied(text: str, address: object) -> None:
    assert is_address_denied(f"{address}%{text}", ["192.0.2.0/24"])
