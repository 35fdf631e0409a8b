"""The whole story in a real browser, against a real sshd and a real git server."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from app.secrets import Secret
from tests.browser.conftest import PATIENCE_MS, Gate, Site, log_in, projects_root
from tests.support.forge import Forge, git
from tests.support.sshd import KeyPair, SshdServer

pytestmark = [pytest.mark.browser, pytest.mark.ssh]
expect.set_options(timeout=PATIENCE_MS)


def test_from_an_empty_installation_to_a_project_and_back(
    open_page: Callable[..., Page],
    fresh_sshd: SshdServer,
    forge: Forge,
    make_gate: Callable[[int], Gate],
    tmp_path: Path,
) -> None:
    page, root = open_page(), projects_root(tmp_path)
    log_in(page)
    fresh_sshd.authorize(_make_key(page))
    _add_node(page, fresh_sshd, root)
    _pin_and_probe(page, fresh_sshd)
    _whole_menu_is_seen(page)
    gate = make_gate(forge.port)
    _clone(page, forge.url.replace(str(forge.port), str(gate.port)), gate)
    assert (root / "shop" / "README").read_text() == "hello\n"
    _pull(page, forge)
    _delete(page)
    assert not (root / "shop").exists()


def test_without_javascript_everything_can_be_read_and_asked_for(
    open_page: Callable[..., Page], site: Site, fresh_sshd: SshdServer, forge: Forge, tmp_path: Path
) -> None:
    page, root = open_page(java_script_enabled=False), projects_root(tmp_path)
    log_in(page)
    fresh_sshd.authorize(_make_key(page))
    _add_node(page, fresh_sshd, root)
    _pin_and_probe(page, fresh_sshd)
    _fill_clone(page, forge.url)
    while page.get_by_role("link", name="Refresh").is_visible():
        page.get_by_role("link", name="Refresh").click()
    expect(_state(page)).to_have_text(re.compile("Active"))
    page.get_by_role("link", name="Show it").click()
    expect(page.get_by_text("Clean: nothing is changed")).to_be_visible()


def test_an_unknown_host_key_is_not_pinned_by_a_fingerprint_that_was_not_offered(
    open_page: Callable[..., Page], fresh_sshd: SshdServer, tmp_path: Path
) -> None:
    page = open_page()
    log_in(page)
    _make_key(page)
    _add_node(page, fresh_sshd, projects_root(tmp_path))
    page.get_by_role("button", name="Scan the node").click()
    page.get_by_label("Pin").fill("SHA256:" + "A" * 43)
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("did not offer a key with this fingerprint")
    assert fresh_sshd.login_attempts() == 0


def _make_key(page: Page) -> KeyPair:
    """The public half, as the page shows it."""
    page.get_by_role("link", name="Make or import a key").click()
    page.get_by_label("Name").first.fill("fleet")
    page.get_by_role("button", name="Make the key").click()
    public = page.locator("code", has_text="ssh-ed25519 AAAA").inner_text()
    return KeyPair(Secret("it stays with Bareboat"), public, "")


def _add_node(page: Page, sshd: SshdServer, root: Path) -> None:
    page.get_by_role("link", name="Nodes").click()
    page.get_by_role("link", name="Add the first node").click()
    page.get_by_label("Name", exact=True).fill("web-1")
    page.get_by_label("Host name").fill("127.0.0.1")
    page.get_by_label("SSH port").fill(str(sshd.port))
    page.get_by_label("SSH user").fill(sshd.target().user)
    page.get_by_label("Projects root").fill(str(root))
    page.get_by_role("button", name="Add the node").click()
    expect(page.get_by_role("heading", name="web-1")).to_be_visible()


def _pin_and_probe(page: Page, sshd: SshdServer) -> None:
    """Scan, compare what is offered with what the node has, pin, probe."""
    page.get_by_role("button", name="Scan the node").click()
    fingerprint = sshd.host_keys()[0].fingerprint
    expect(page.locator("#host-keys")).to_contain_text(fingerprint)
    page.get_by_label("Pin").fill(f"256 {fingerprint} node (ED25519)")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_text("1 host key pinned")).to_be_visible()
    page.get_by_role("button", name="Probe now").click()
    expect(page.locator("#status")).to_contain_text("Online")


def _whole_menu_is_seen(page: Page) -> None:
    """Its last link, too: what is cut off at the side is not found by anybody."""
    menu = page.get_by_role("navigation", name="Main")
    last = menu.get_by_role("link", name="Events").bounding_box()
    frame = menu.bounding_box()
    assert last
    assert frame
    assert last["x"] + last["width"] <= frame["x"] + frame["width"]


def _clone(page: Page, url: str, gate: Gate) -> None:
    """Nothing is reloaded by hand: the page follows the job by itself."""
    _fill_clone(page, url)
    expect(page.get_by_label("Progress")).to_be_visible()
    expect(_state(page)).to_have_text(re.compile("Syncing"))
    gate.open()
    expect(_state(page)).to_have_text(re.compile("Active"))
    expect(page.get_by_text("Clean: nothing is changed")).to_be_visible()
    expect(page).to_have_title("shop · Bareboat")
    expect(page.locator("pre.log")).to_contain_text("HEAD is")


def _fill_clone(page: Page, url: str) -> None:
    page.get_by_role("link", name="Projects", exact=True).click()
    page.get_by_role("link", name="Clone the first one").click()
    page.get_by_label("Git address").fill(url)
    page.get_by_label("Name", exact=True).fill("shop")
    page.get_by_label("Node", exact=True).select_option(label="web-1")
    page.get_by_role("button", name="Clone").click()
    expect(page.get_by_role("heading", name="shop")).to_be_visible()


def _pull(page: Page, forge: Forge) -> None:
    sha = forge.push("NEWS", "news\n", "Some news")
    page.get_by_role("button", name="Pull").click()
    expect(page.locator("#worktree")).to_contain_text(sha[:12])
    expect(page.locator("#worktree")).to_contain_text("Some news")
    assert git("rev-parse", "HEAD", cwd=forge.work) == sha


def _delete(page: Page) -> None:
    page.get_by_role("link", name="Delete").click()
    page.get_by_label("Type shop to confirm").fill("shop")
    page.get_by_role("button", name="Delete the project").click()
    expect(page.get_by_text("shop is gone from web-1")).to_be_visible()
    page.get_by_role("link", name="All projects").click()
    expect(page.get_by_text("There are no projects yet.")).to_be_visible()


def _state(page: Page) -> Locator:
    return page.locator(".head .state").first
