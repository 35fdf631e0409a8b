"""The docs page in a real browser, under the policy that forbids inline scripts."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


def test_everything_on_the_page_is_served_by_us(nobody: FlaskClient) -> None:
    text = nobody.get("/api/v1/docs").text
    assert "://" not in text
    assert "<script>" not in text
    assert "style=" not in text


def test_the_vendored_files_keep_their_licence_and_version(app: Flask) -> None:
    folder = next((Path(app.root_path) / "api" / "static" / "vendor").glob("swagger-ui-*"))
    assert {"LICENSE", "NOTICE", "README.md", "swagger-ui-bundle.js.LICENSE.txt"} <= {
        file.name for file in folder.iterdir()
    }
    assert folder.name.removeprefix("swagger-ui-") in (folder / "README.md").read_text()


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser.new_page()
        browser.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_every_operation_is_listed_without_a_complaint_of_the_browser(
    app: Flask, address: str, page: Page, nobody: FlaskClient
) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/api/v1/docs")
    page.wait_for_selector(".opblock")
    document = nobody.get("/api/v1/openapi.json").json
    documented = sum(len(set(item) - {"parameters"}) for item in document["paths"].values())
    assert page.locator(".opblock").count() == documented
    page.locator("#operations-projects-clone_project .opblock-summary-control").click()
    page.wait_for_selector("#operations-projects-clone_project .responses-wrapper")
    assert complaints == []
