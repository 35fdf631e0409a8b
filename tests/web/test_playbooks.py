from collections.abc import Callable

from app.db import db
from app.models import Job
from tests.web.conftest import Person, said

Make = Callable[..., int]


def test_the_shipped_playbooks_are_listed_and_shown(vera: Person) -> None:
    assert "Tidies a repository" in said(vera.get("/playbooks"))
    page = said(vera.get("/playbooks/example"))
    assert "1. Say it" in page
    assert "step Look for a list outcome failed and missing requirements.txt and input place equals here" in page
    assert "An operator runs it." in page


def test_a_playbook_is_run_on_the_chosen_projects(otto: Person, make_node: Make, make_project: Make) -> None:
    project_id = make_project(make_node())
    fields = {"input.greeting": "$(reboot) <b>", "input.loud": "on", "input.times": "3", "concurrency": "1"}
    page = otto.submit("/playbooks/example", project_ids=str(project_id), **fields)
    assert "example on 1 project" in page
    assert "greeting='$(reboot) <b>'" in said(otto.get("/runs"))
    with otto.client.application.app_context():
        inputs = db.session.query(Job).one().params["inputs"]
    assert inputs == {"greeting": "$(reboot) <b>", "loud": True, "times": 3, "place": "here"}
    assert "greeting=&#39;$(reboot) &lt;b&gt;&#39;" in otto.get("/jobs/1").text


def test_a_wrong_input_is_said_beside_it(otto: Person, make_node: Make, make_project: Make) -> None:
    project_id = make_project(make_node())
    answer = otto.post("/playbooks/example", project_ids=str(project_id), **{"input.times": "many"})
    assert answer.status_code == 422
    assert "Write a whole number." in answer.text
    assert "Choose at least one project." in otto.submit("/playbooks/example")


def test_a_playbook_on_nodes_is_for_admins(otto: Person, ada: Person, make_node: Make) -> None:
    node_id = make_node()
    assert "An admin runs it." in otto.get("/playbooks/node-report").text
    assert "for admins" in otto.submit("/playbooks/node-report", node_ids=str(node_id))
    assert "node-report on 1 node" in ada.submit("/playbooks/node-report", node_ids=str(node_id))
