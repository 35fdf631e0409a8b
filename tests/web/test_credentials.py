from collections.abc import Callable

from flask import Flask

from app.secrets import Secret
from app.services import credentials
from app.services.events import SYSTEM
from tests.web.conftest import Person

TOKEN = "tok3n-of-the-shop"
TYPED = {"kind": "https", "name": "shop", "host": "git.example.com", "port": "8443", "username": "bot", "token": TOKEN}


def test_a_token_is_stored_and_never_shown_not_even_in_a_refused_form(ada: Person) -> None:
    assert ada.post("/credentials/new", **TYPED).status_code == 303
    page = ada.get("/credentials").text
    refused = ada.post("/credentials/new", **TYPED)
    assert refused.status_code == 422
    assert "git.example.com, port 8443" in page
    assert TOKEN not in page + refused.text


def test_only_fitting_credentials_are_offered_for_a_project(
    app: Flask, ada: Person, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    project_id = make_project(make_node())
    with app.app_context():
        values = {"kind": "https", "username": "bot", "token": Secret(TOKEN)}
        for name, host in (("fitting", "git.example.com"), ("foreign", "git.example.org")):
            made = credentials.create_credential(values | {"name": name, "host": host}, SYSTEM).id
    page = ada.get(f"/projects/{project_id}/credential").text
    assert ("fitting" in page, "foreign" in page) == (True, False)
    assert ada.post(f"/projects/{project_id}/credential", git_credential_id=str(made)).status_code == 422
    assert ada.post(f"/projects/{project_id}/credential", git_credential_id=str(made - 1)).status_code == 303
    assert "in use by shop" in ada.get(f"/credentials/{made - 1}/delete").text


def test_a_git_server_is_added_and_pinned(ada: Person) -> None:
    assert ada.post("/git-hosts", host="github.com").status_code == 303
    assert "shipped" in ada.get("/git-hosts").text
    assert ada.post("/git-hosts", host="a b").status_code == 422
