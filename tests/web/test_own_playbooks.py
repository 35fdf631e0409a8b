from collections.abc import Callable

import pytest

from app.ssh.recording import RecordingNodes
from app.ssh.watch import Result
from tests.api.test_own_playbooks import BROKEN, DEPLOY, told
from tests.web.conftest import Person, said

Make = Callable[..., int]


@pytest.fixture
def path(make_node: Make, make_project: Make) -> str:
    return f"/projects/{make_project(make_node())}"


def test_an_admin_allows_them_on_the_project_s_page(path: str, ada: Person, otto: Person) -> None:
    assert "an admin has not allowed it" in said(otto.get(path))
    assert f'action="{path}/own-playbooks"' not in otto.get(path).text
    assert "an admin allows it" in said(otto.get(f"{path}/playbooks"))
    assert "shop may run playbooks of its own." in ada.submit(f"{path}/own-playbooks", allow="on")
    assert f'href="{path}/playbooks"' in otto.get(path).text
    assert "shop may not run" in ada.submit(f"{path}/own-playbooks")


def test_one_is_found_filled_in_and_run(
    path: str, ada: Person, otto: Person, vera: Person, recording_nodes: RecordingNodes
) -> None:
    ada.submit(f"{path}/own-playbooks", allow="on")
    recording_nodes.answer(Result("folder_missing"))
    assert "There are none." in said(otto.get(f"{path}/playbooks"))
    recording_nodes.answer(told(deploy=DEPLOY, broken=BROKEN))
    listed = otto.get(f"{path}/playbooks")
    assert "It cannot be used. .bareboat/broken.yml:2: steps:" in said(listed)
    assert f'href="{path}/playbooks/deploy"' in listed.text
    recording_nodes.answer(told(deploy=DEPLOY))
    assert "An operator runs it." in said(vera.get(f"{path}/playbooks/deploy"))
    assert "This input is required." in said(otto.post(f"{path}/playbooks/deploy"))
    page = otto.submit(f"{path}/playbooks/deploy", **{"input.ref": "$(reboot)"})
    assert "deploy on 1 project" in page
    recording_nodes.answer(told())
    assert otto.get(f"{path}/playbooks/deploy").status_code == 404
