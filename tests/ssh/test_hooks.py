"""A push, its webhook, and the pull on a real node: with the server, its scheduler and its runner in this process."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import start_background, stop
from app.models import ForgeKind, JobState
from app.services import hooks
from app.services.events import SYSTEM
from tests.support.controller_process import fresh, wait_until
from tests.support.forge import Forge, git
from tests.support.live import Live
from tests.support.pushes import FORGES

pytestmark = pytest.mark.ssh

logger = logging.getLogger(__name__)


@pytest.fixture
def serving(live: Live, node_id: int, forge: Forge) -> Iterator[Live]:
    """With the project `shop` on the node, and everything running that runs in production."""
    assert live.clone(node_id, forge.url).state is JobState.SUCCEEDED
    live.app.config["SCHEDULER_ENABLED"] = True
    start_background(live.app)
    yield live
    stop(live.app)


def send(app: Flask, path: str, secret: str, forge: str) -> int:
    delivery = FORGES[forge](secret)
    return app.test_client().post(path, data=delivery.body, headers=delivery.headers).status_code


@pytest.fixture
def hook_of(serving: Live) -> Callable[[str], tuple[str, str]]:
    """Path and secret of a new hook."""

    def make(forge: str) -> tuple[str, str]:
        _, token, secret = hooks.create_hook(hooks.HookOwner(1), {"forge": ForgeKind(forge)}, SYSTEM)
        return hooks.path_of(token), secret.reveal()

    return make


@pytest.mark.parametrize("kind", FORGES)
def test_a_push_is_on_the_node_by_its_webhook_alone(
    serving: Live, hook_of: Callable[[str], tuple[str, str]], forge: Forge, kind: str
) -> None:
    path, secret = hook_of(kind)
    pushed = forge.push(text=f"by {kind}\n")
    begins = time.monotonic()
    assert send(serving.app, path, secret, kind) == 202
    wait_until(lambda: head(serving.root) == pushed)
    logger.info("%s: on the node %.2f s after the delivery", kind, time.monotonic() - begins)
    wait_until(lambda: fresh(2).is_finished)
    assert fresh(2).state is JobState.SUCCEEDED


def test_of_many_pushes_in_a_row_the_last_is_on_the_node(
    serving: Live, hook_of: Callable[[str], tuple[str, str]], forge: Forge
) -> None:
    path, secret = hook_of("gitea")
    for number in range(8):
        pushed = forge.push(text=f"{number}\n")
        assert send(serving.app, path, secret, "gitea") == 202
    wait_until(lambda: head(serving.root) == pushed)


def head(root: Path) -> str:
    return git("rev-parse", "HEAD", cwd=root / "shop")
