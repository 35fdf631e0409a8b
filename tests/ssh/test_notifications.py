"""A node that is really gone and really back is told of, while another receiver hangs and work goes on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from app import start_background, stop
from app.db import db
from app.models import JobState, NodeStatus
from app.secrets import Secret
from app.services import channels, hostkeys, nodes, projects
from app.services.events import SYSTEM
from tests.support import receivers
from tests.support.controller_process import fresh, wait_until
from tests.support.fakes import FakeServer
from tests.support.forge import Forge
from tests.support.live import Live
from tests.support.receivers import Receiver
from tests.support.sshd import KeyPair, SshdServer

pytestmark = pytest.mark.ssh


@pytest.fixture
def serving(live: Live) -> Iterator[Live]:
    """Everything runs that runs in production; receivers are on loopback and speak plain HTTP."""
    live.app.config.update(SCHEDULER_ENABLED=True, NOTIFY_ALLOW_HTTP=True, PROBE_FAILURES_BEFORE_OFFLINE=1)
    live.app.config.update(PROBE_INTERVAL_SECONDS=1, PROBE_MAX_BACKOFF_SECONDS=1)
    start_background(live.app)
    yield live
    stop(live.app)


def add_channel(name: str, url: str) -> None:
    channels.create_channel({"name": name, "kind": "json", "url": Secret(url)}, SYSTEM)


def add_like(serving: Live, other_id: int, server: SshdServer) -> int:
    """Another node, `going`, with the same key."""
    other, target = serving.node(other_id), server.target()
    where = {"hostname": target.hostname, "ssh_port": target.port, "ssh_user": target.user}
    how = {"ssh_key_id": other.ssh_key_id, "projects_root": other.projects_root}
    node = nodes.create_node({"name": "going"} | where | how, SYSTEM)
    for line in server.host_keys():
        hostkeys.pin_public_key(node.id, str(line), SYSTEM)
    return node.id


def test_a_node_that_goes_and_comes_is_told_while_others_hang_and_work_goes_on(
    serving: Live, make_sshd: Callable[..., SshdServer], ssh_keypair: KeyPair, sshd: SshdServer, forge: Forge
) -> None:
    going, staying = make_sshd(), serving.add_node(sshd, ssh_keypair, name="staying")
    node_id = add_like(serving, staying, going)
    wait_until(lambda: all(serving.node(each).status is NodeStatus.ONLINE for each in (node_id, staying)))
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        add_channel("good", receiver.url)
        caught: list[object] = []
        trap = stack.enter_context(FakeServer(lambda sock, stopping: caught.append(sock), "127.0.0.3"))
        for number, behave in enumerate(
            (receivers.hangs, receivers.answers_a_gigabyte, receivers.redirects_to(f"http://127.0.0.3:{trap.port}/"))
        ):
            server = stack.enter_context(FakeServer(behave))
            add_channel(f"bad {number}", f"http://127.0.0.1:{server.port}/")
        going.stop()
        wait_until(lambda: [got.json["event"] for got in receiver.got] == ["node.offline"])
        assert receiver.got[0].json["data"]["node"] == "going"
        job = projects.request_clone({"name": "shop", "git_url": forge.url, "node_id": staying}, SYSTEM)
        job_id = job.id
        wait_until(lambda: fresh(job_id).is_finished)
        assert fresh(job_id).state is JobState.SUCCEEDED
        going.start()
        wait_until(lambda: [got.json["event"] for got in receiver.got] == ["node.offline", "node.online"])
        wait_until(lambda: all(error_of(number) for number in range(3)))
        assert caught == [], "the trap is untouched"
        assert ["in time" in error_of(0), "64 KiB" in error_of(1), "redirects" in error_of(2)] == [True] * 3


def error_of(number: int) -> str:
    db.session.rollback()  # else the snapshot from before is read
    channel = channels.get_channel_by_name(f"bad {number}")
    return channels.list_deliveries(channel.id, 1, 10).items[-1].last_error or ""
