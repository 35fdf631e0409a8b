"""Playbooks in the form of a schedule: chosen, filled in, made; without a script. Own ones are read on the node."""

from collections.abc import Callable

import pytest

from app.db import db
from app.errors import ConnectTimeout
from app.models import Schedule
from app.ssh.recording import RecordingNodes
from tests.api.test_own_playbooks import BROKEN, DEPLOY, told
from tests.web.conftest import Person, said

NEW = "/projects/1/schedules/new"
FORM = {"name": "nightly", "cron": "30 4 * * *", "timezone": "UTC", "act": "playbook", "params": "strategy=ff-only"}
INPUTS = {"input.greeting": "$(reboot) <b>", "input.times": "3", "input.place": "here"}


@pytest.fixture
def path(make_node: Callable[..., int], make_project: Callable[..., int]) -> str:
    return f"/projects/{make_project(make_node())}"


def params_of(person: Person) -> list[dict[str, object]]:
    with person.client.application.app_context():
        return [row.params for row in db.session.query(Schedule)]


def test_what_a_playbook_asks_for_is_shown_before_anything_is_made(path: str, otto: Person) -> None:
    form = otto.get(NEW).text
    assert '<option value="example">' in form
    assert 'value="node-report"' not in form
    page = otto.post(NEW, **FORM, playbook="example")
    assert (page.status_code, params_of(otto)) == (200, [])
    assert "Nothing is made yet. Look at what example is given" in said(page)
    for kept in ('value="nightly"', 'value="30 4 * * *"', 'name="inputs_of" value="example"', 'name="input.times"'):
        assert kept in page.text
    made = otto.submit(NEW, **FORM, playbook="example", inputs_of="example", **INPUTS)
    inputs = {"greeting": "$(reboot) <b>", "times": 3, "loud": False, "place": "here"}
    assert params_of(otto) == [{"name": "example", "inputs": inputs}]
    for shown in (made, said(otto.get("/schedules")), said(otto.get(path))):
        assert "Playbook example" in shown
        assert "greeting='$(reboot) <b>'" in shown
        assert "times=3" in shown
    assert "Schedule nightly is off." in otto.submit("/schedules/1/disable")
    assert params_of(otto) == [{"name": "example", "inputs": inputs}]


def test_another_playbook_is_shown_anew_and_one_without_inputs_is_made_at_once(path: str, otto: Person) -> None:
    page = otto.post(NEW, **FORM, playbook="python-setup", inputs_of="example", **INPUTS)
    assert (page.status_code, params_of(otto)) == (200, [])
    assert 'name="inputs_of" value="python-setup"' in page.text
    assert otto.post(NEW, **FORM, playbook="git-gc").status_code == 303
    assert params_of(otto) == [{"name": "git-gc", "inputs": {}}]


def test_what_is_wrong_is_said_where_it_was_typed(path: str, otto: Person) -> None:
    page = otto.post(NEW, **FORM, playbook="example", inputs_of="example", **INPUTS | {"input.times": "many"})
    assert page.status_code == 422
    assert "Write a whole number." in said(page)
    assert 'value="$(reboot) &lt;b&gt;"' in page.text
    page = otto.post(NEW, **FORM | {"cron": "x"}, playbook="example", inputs_of="example", **INPUTS)
    assert (page.status_code, 'id="cron-wrong"' in page.text, 'name="input.times"' in page.text) == (422, True, True)
    for name, rule in (("", "Choose one."), ("none", "no playbook 'none'"), ("node-report", "choose one for projects")):
        page = otto.post(NEW, **FORM, playbook=name)
        assert (page.status_code, rule in said(page), 'id="playbook-wrong"' in page.text) == (422, True, True), name
    assert params_of(otto) == []


def test_one_of_the_project_s_own_is_looked_up_chosen_and_scheduled(
    path: str, otto: Person, ada: Person, recording_nodes: RecordingNodes
) -> None:
    assert "own:" not in otto.get(NEW).text
    ada.submit(f"{path}/own-playbooks", allow="on")
    assert '<option value="own:">' in otto.get(NEW).text
    assert recording_nodes.runs == []
    recording_nodes.answer(told(deploy=DEPLOY, broken=BROKEN))
    page = otto.post(NEW, **FORM, playbook="own:")
    assert (page.status_code, 'value="own:deploy"' in page.text, "own:broken" in page.text) == (200, True, False)
    recording_nodes.answer(told(deploy=DEPLOY))
    assert f'href="{NEW}?playbook=own:deploy"' in otto.get(f"{path}/playbooks/deploy").text
    assert 'name="input.ref"' in otto.get(f"{NEW}?playbook=own:deploy").text
    made = otto.submit(NEW, **FORM, playbook="own:deploy", inputs_of="own:deploy", **{"input.ref": "main"})
    assert "Own playbook deploy ref='main'" in made
    assert params_of(otto) == [{"name": "deploy", "inputs": {"ref": "main"}, "project_id": 1}]


def test_a_node_that_does_not_answer_is_said_in_the_form(
    path: str, otto: Person, ada: Person, recording_nodes: RecordingNodes
) -> None:
    ada.submit(f"{path}/own-playbooks", allow="on")
    recording_nodes.answer(ConnectTimeout())
    for page in (otto.post(NEW, **FORM, playbook="own:"), otto.post(NEW, **FORM, playbook="own:deploy")):
        assert (page.status_code, 'id="playbook-wrong"' in page.text) == (422, True)
    assert 'role="alert"' in otto.get(f"{NEW}?playbook=own:deploy").text
    ada.submit(f"{path}/own-playbooks")
    assert "an admin allows it" in said(otto.post(NEW, **FORM, playbook="own:deploy"))


def test_a_viewer_schedules_none(path: str, vera: Person) -> None:
    assert vera.post(NEW, **FORM, playbook="git-gc").status_code == 403
    assert vera.get(f"{NEW}?playbook=git-gc").status_code == 403
