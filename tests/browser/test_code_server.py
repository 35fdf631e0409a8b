"""The real code-server, installed and started by its playbook as an admin does it, and a project opened in it.

It takes minutes, so only when CODE_SERVER_FOR_REAL says how it is installed: `registry`, `internet`, or the path of one
that is there. `CODE_SERVER_PICTURE` names a file for a picture of it.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.services import nodes
from app.services.events import SYSTEM
from tests.browser.conftest import Site, log_in, projects_root
from tests.browser.test_story import _add_node, _fill_clone, _make_key, _pin_and_probe
from tests.support.forge import Forge
from tests.support.ports import free_port
from tests.support.sshd import SshdServer

FOR_REAL = os.environ.get("CODE_SERVER_FOR_REAL", "")
MINUTES_MS = 20 * 60_000
pytestmark = [
    pytest.mark.browser,
    pytest.mark.ssh,
    pytest.mark.skipif(not FOR_REAL, reason="CODE_SERVER_FOR_REAL is not set: it takes minutes"),
]


@pytest.fixture
def server(make_sshd: Callable[..., SshdServer]) -> Iterator[SshdServer]:
    """An account that reaches what this one reaches; or that has a code-server."""
    server = make_sshd()
    if (Path.home() / ".npmrc").exists():
        (server.home / ".npmrc").write_text((Path.home() / ".npmrc").read_text())
    if "/" in FOR_REAL:
        (server.home / ".local/bin").mkdir(parents=True)
        (server.home / ".local/bin/code-server").symlink_to(FOR_REAL)
    return server


def test_a_project_is_opened_in_the_code_server_that_the_playbook_has_installed(
    open_page: Callable[..., Page], site: Site, server: SshdServer, forge: Forge, tmp_path: Path
) -> None:
    page, root, address = open_page(), projects_root(tmp_path), f"127.0.0.1:{free_port()}"
    log_in(page)
    server.authorize(_make_key(page))
    _add_node(page, server, root)
    _pin_and_probe(page, server)
    _fill_clone(page, forge.url)
    expect(page.get_by_text("Clean: nothing is changed")).to_be_visible()
    _run(page, "code-server", address)
    with site.app.app_context():
        nodes.update_node(1, {"editor_url": f"http://{address}/"}, SYSTEM)
    page.get_by_role("link", name="Projects", exact=True).click()
    page.get_by_role("link", name="shop").first.click()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open in code-server").click()
    editor = opened.value
    config = (server.home / ".bareboat/code-server/config.yaml").read_text()
    editor.get_by_placeholder("PASSWORD").fill(config.splitlines()[1].removeprefix("password: "))
    editor.get_by_role("button", name="SUBMIT").click()
    editor.get_by_role("treeitem", name="README").first.dblclick(timeout=120_000)
    expect(editor.locator(".view-lines")).to_contain_text("hello", timeout=120_000)
    if picture := os.environ.get("CODE_SERVER_PICTURE"):
        editor.screenshot(path=picture)
    editor.close()
    _run(page, "code-server-stop")


def _run(page: Page, name: str, address: str = "") -> None:
    page.get_by_role("link", name="Playbooks").click()
    page.get_by_role("link", name=name, exact=True).click()
    if address:
        page.get_by_label("address").fill(address)
        page.get_by_label("reach").select_option(FOR_REAL if FOR_REAL in ("registry", "internet") else "internet")
    page.get_by_label("web-1").check()
    page.get_by_role("button", name="Run it on the chosen").click()
    expect(page.get_by_text("Succeeded").first).to_be_visible(timeout=MINUTES_MS)
