"""Recognisable secrets wherever one can be given, a whole small run, and then a search everywhere: none is found."""

import contextvars
import logging
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyotp
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_ssh_private_key,
)
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.db import db
from app.models import ForgeKind, Job, JobState, Role
from app.redaction import _forms
from app.secrets import Secret
from app.services import courier, githosts, hooks, jobs, nodes, second_factor, users
from app.services.events import SYSTEM, Actor
from tests.support.application import client_with_token, token_of
from tests.support.live import Live
from tests.support.private_git import TOKEN, USER, PrivateGit, SshGit, add_commit
from tests.support.processes import pids, proc
from tests.support.pushes import FORGES
from tests.support.receivers import Receiver
from tests.support.sshd import KeyPair, SshdServer
from tests.support.writes import Writes

pytestmark = [
    pytest.mark.ssh,
    pytest.mark.skipif(os.geteuid() != 0, reason="gives a node a CA store of its own, which only root may"),
]

PASSPHRASE, WORD, WRONG_WORD = "pass+phrase/that 0pens", "a p@ssw0rd/that+opens", "a p@ssw0rd/that+does-not"


class Run:
    """`planted`: what nobody may find, by name. Requests are made as over the wire: each in a context of its own."""

    def __init__(self, live: Live) -> None:
        self.live, self.app = live, live.app
        self.planted: dict[str, str] = {"user password": WORD, "wrong password": WRONG_WORD, "passphrase": PASSPHRASE}
        self.planted["master key"] = (Path(self.app.config["KEYS_DIR"]) / "master.key").read_text().split()[-1]
        self.planted["API token"] = token_of(self.app, "admin")
        self.program = client_with_token(self.app, self.planted["API token"])

    def ask(self, method: str, path: str, client: FlaskClient | None = None, **more: Any) -> TestResponse:
        more |= {"method": method, "buffered": True}  # a stream is read to its end in the same context
        answer: TestResponse = contextvars.Context().run((client or self.program).open, path, **more)
        db.session.rollback()  # else the snapshot from before the request is read
        return answer

    def made(self, path: str, **values: Any) -> Any:
        answer = self.ask("POST", f"/api/v1{path}", json=values)
        assert answer.status_code in (200, 201, 202), answer.text
        return answer.json

    def finish(self, job_id: int) -> None:
        job = self.live.finish(jobs.get_job(job_id))
        assert job.state is JobState.SUCCEEDED, (job.error_message, self.live.log(job))


@pytest.fixture
def run(live: Live) -> Run:
    live.app.config["NOTIFY_ALLOW_HTTP"] = True
    return Run(live)


def needles(planted: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    for name, value in planted.items():
        for spelt in (value, value.encode().hex()):
            yield from ((name, form) for form in _forms(spelt.encode()) if len(form) >= 8)


def found(planted: dict[str, str], places: dict[str, bytes]) -> list[tuple[str, str]]:
    forms = set(needles(planted))
    return sorted({(name, place) for place, text in places.items() for name, form in forms if form in text})


def own_line(key: KeyPair) -> str:
    """A line of a private key that its public half does not have."""
    return key.private.reveal().splitlines()[3]


def plant_keys(run: Run, server: SshdServer, login: KeyPair, ssh_git: SshGit, private_git: PrivateGit) -> None:
    key = load_ssh_private_key(login.private.reveal().encode(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(PASSPHRASE.encode()))
    run.planted |= {"login key": own_line(login), "login key, locked": locked.decode().splitlines()[3]}
    key_id = run.made("/ssh-keys", name="login", private_key=locked.decode(), passphrase=PASSPHRASE)["id"]
    target = server.target()
    where = {"hostname": target.hostname, "ssh_port": target.port, "ssh_user": target.user}
    run.made("/nodes", name="node", ssh_key_id=key_id, projects_root=str(run.live.root), **where)
    for line in server.host_keys():
        run.made("/nodes/1/host-keys", public_key=str(line))
    assert run.live.probe(1).ok
    run.planted |= {"deploy key": own_line(ssh_git.key), "git token": TOKEN}
    deploy = {"kind": "ssh", "host": "127.0.0.1", "port": ssh_git.server.port}
    run.made("/git-credentials", name="deploy", private_key=ssh_git.key.private.reveal(), **deploy)
    https = {"kind": "https", "host": private_git.address, "port": private_git.server_port, "username": USER}
    run.made("/git-credentials", name="token", token=TOKEN, **https)
    host = githosts.create_host("127.0.0.1", ssh_git.server.port, SYSTEM)
    githosts.pin(host.id, {"public_key": str(ssh_git.server.host_keys()[0])}, SYSTEM)


def plant_people(run: Run) -> None:
    """A user with a password and a second factor; a browser; a node's token."""
    users.create_user("ada", Role.ADMIN, Secret(WORD), SYSTEM)
    ada = users.get_user_by_name("ada")
    asker = Actor(ada.name, ada.role)
    totp = second_factor.begin(Secret(WORD), asker).secret.reveal()
    codes = second_factor.confirm(pyotp.TOTP(totp).now(), asker)
    run.planted |= {"TOTP secret": totp, "node token": nodes.renew_token(1, SYSTEM).reveal()}
    run.planted |= {f"recovery code {number}": code.reveal() for number, code in enumerate(codes)}


def log_in(run: Run) -> FlaskClient:
    """With wrong passwords, one of them typed as the name; then with the right one and a recovery code."""
    browser = run.app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', run.ask("GET", "/login", browser).text)
    assert token
    for name, password in (("ada", WRONG_WORD), (WORD, WRONG_WORD), (WRONG_WORD, WORD)):
        form = {"csrf_token": token[1], "name": name, "password": password}
        assert run.ask("POST", "/login", browser, data=form).status_code == 401
    run.ask("POST", "/login", browser, data={"csrf_token": token[1], "name": "ada", "password": WORD})
    page = run.ask("GET", "/login/code", browser).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    code = {"csrf_token": token[1], "code": run.planted["recovery code 0"]}
    answer = run.ask("POST", "/login/code", browser, data=code)
    assert answer.location == "/", answer.text
    cookie = browser.get_cookie(run.app.config["SESSION_COOKIE_NAME"])
    assert cookie
    with browser.session_transaction() as session:
        run.planted |= {"session": session["_user_id"], "cookie": cookie.value}
    return browser


def mistype(run: Run) -> None:
    """Every secret in fields that are not for it, as a name of a field, in addresses: all of that is refused."""
    for secret in [secret for name, secret in run.planted.items() if "code" not in name or name.endswith("1")]:
        refused = [
            run.ask("POST", "/api/v1/nodes", json={"name": secret, "hostname": f"{secret} {secret}", "x": secret}),
            run.ask("POST", "/api/v1/projects/clone", json={"name": secret, "node_id": secret, secret: secret}),
            run.ask("POST", "/api/v1/projects/1/checkout", json={"ref": f"-{secret}"}),
            run.ask("PATCH", "/api/v1/projects/1", json={"git_url": f"https://{USER}:{secret}@127.0.0.1/x.git"}),
            run.ask("POST", "/api/v1/ssh-keys", json={"name": "other", "private_key": secret, "passphrase": secret}),
            run.ask("POST", "/api/v1/hooks/" + secret.replace("/", "")[:100], json={}),
            run.ask("DELETE", "/api/v1/nodes/1", run.app.test_client(), headers={"Authorization": f"Basic {secret}"}),
        ]
        assert [answer.status_code for answer in refused if not 400 <= answer.status_code < 500] == []


def report(run: Run) -> None:
    bearer = {"Authorization": f"Bearer {run.planted['node token']}"}
    path, script = "/api/v1/internal/projects/1/status", run.app.test_client()
    answer = run.ask("POST", path, script, headers=bearer, json={"status": "ACTIVE"})
    assert answer.status_code == 200, answer.text


def pull_by_hook(run: Run) -> None:
    """And one delivery that is signed with another secret."""
    _, token, secret = hooks.create_hook(hooks.HookOwner(1), {"forge": ForgeKind.GITLAB}, SYSTEM)
    run.planted |= {"hook token": token.reveal(), "hook secret": secret.reveal()}
    for signed_with, status in ((WRONG_WORD, 403), (secret.reveal(), 202)):
        sent = FORGES["gitlab"](signed_with)
        path = hooks.path_of(token)
        assert run.ask("POST", path, run.app.test_client(), data=sent.body, headers=sent.headers).status_code == status
    run.finish(max(job.id for job in db.session.query(Job)))


def notify(run: Run) -> None:
    """To a receiver that takes it, and one that does not."""
    with ExitStack() as stack:
        for number, status in enumerate((200, 500)):
            url = stack.enter_context(Receiver(status=status)).url.replace("s3cret", f"s3cret-of-an-address-{number}")
            made = run.made("/notification-channels", name=f"ops {number}", kind="json", url=url)
            run.planted |= {f"channel address {number}": f"s3cret-of-an-address-{number}"}
            run.planted |= {f"channel secret {number}": made["secret"]}
            run.made(f"/notification-channels/{made['id']}/test")
            assert courier.deliver_next(made["id"]) is (status == 200)


def database(app: Flask) -> bytes:
    with app.app_context():
        path = str(db.engine.url.database)
    return b"".join(Path(path + end).read_bytes() for end in ("", "-wal"))


def answers(run: Run, browser: FlaskClient) -> dict[str, bytes]:
    """Of every address that can be read, by a program and by a browser."""
    rules = [rule for rule in run.app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    asked = {path: run.ask("GET", path, who) for path in map(path_of, rules) for who in (run.program, browser)}
    assert {path: answer.status for path, answer in asked.items() if answer.status_code >= 500} == {}
    assert sum(answer.status_code == 200 for answer in asked.values()) > 60
    return {path: answer.data + str(answer.headers).encode() for path, answer in asked.items()}


def path_of(rule: Rule) -> str:
    built = rule.build({name: "example" if name == "name" else 1 for name in rule.arguments})
    assert built
    return built[1]


def test_none_of_the_planted_secrets_is_found_anywhere(
    run: Run,
    trusting_sshd: SshdServer,
    writes: Writes,
    ssh_keypair: KeyPair,
    ssh_git: SshGit,
    private_git: PrivateGit,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    arguments: list[bytes] = []
    private_git.before_answer = lambda: arguments.extend(proc(pid, "cmdline") for pid in pids())
    plant_keys(run, trusting_sshd, ssh_keypair, ssh_git, private_git)
    plant_people(run)
    for number, url in enumerate((ssh_git.url, private_git.url), 1):
        clone = run.made("/projects/clone", name=f"shop-{number}", git_url=url, node_id=1, git_credential_id=number)
        run.finish(clone["id"])
    add_commit(private_git.base, tmp_path)
    run.finish(run.made("/projects/2/pull")["id"])
    run.finish(run.made("/projects/1/commands", argv=["git", "log", "-1"])["id"])
    pull_by_hook(run)
    notify(run)
    report(run)
    browser = log_in(run)
    mistype(run)
    assert arguments
    node = [path for folder in (run.live.root, trusting_sshd.home) for path in folder.rglob("*") if path.is_file()]
    places = {f"was in {path}": text for path, text in writes.places().items()}
    assert "was in" in str(found({"what is no secret": private_git.url}, places)), "all that was written is searched"
    places |= {str(path): path.read_bytes() for path in node} | answers(run, browser)
    places |= {"database": database(run.app), "log": caplog.text.encode(), "arguments": b"\n".join(arguments)}
    assert found(run.planted, places) == []
    assert found({"what is no secret": USER}, places), "the search does find"
