"""POST to strangers: pinned to the address that was checked, without redirect or proxy, and over in time."""

import socket
import ssl
import time
from collections.abc import Iterator

import pytest
from pytest_mock import MockerFixture

from app.config import Defaults
from app.errors import DeliveryFailed
from app.services import outgoing
from app.services.outgoing import post
from app.services.weburl import WebUrl
from tests.support import receivers
from tests.support.fakes import Behaviour, FakeServer
from tests.support.private_git import Certificate
from tests.support.receivers import Receiver

SLACK_SECONDS = 20  # only bounds failure: this machine may be busy


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def send(url: str, *, denied: tuple[str, ...] = (), seconds: float = 10) -> int:
    return post(WebUrl.parse(url), b"{}", {"X-Test": "1"}, denied, seconds=seconds)


def test_a_good_receiver_gets_body_and_headers(receiver: Receiver) -> None:
    assert send(receiver.url) == 200
    (got,) = receiver.got
    assert (got.path, got.body, got.headers["X-Test"]) == ("/hook?key=s3cret", b"{}", "1")
    assert got.headers["Host"] == receiver.url.split("/")[2]


@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
def test_another_status_is_a_failure_with_its_code(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(DeliveryFailed, match=str(status)) as caught:
        send(receiver.url)
    assert caught.value.status == status


@pytest.mark.parametrize("behave", [receivers.hangs, receivers.drips, receivers.drips_body])
def test_who_hangs_or_drips_is_cut_off_when_the_time_is_over(behave: Behaviour) -> None:
    begins = time.monotonic()
    with FakeServer(behave) as server, pytest.raises(DeliveryFailed, match="in time"):
        send(f"http://127.0.0.1:{server.port}/", seconds=1)
    assert time.monotonic() - begins < SLACK_SECONDS


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (receivers.answers_a_gigabyte, "64 KiB"),
        (receivers.answers_headers_without_end, "failed"),
        (receivers.hangs_up, "failed"),
        (receivers.speaks_nonsense, "failed"),
    ],
)
def test_who_says_too_much_or_nonsense_is_left_at_once(behave: Behaviour, why: str) -> None:
    with FakeServer(behave) as server, pytest.raises(DeliveryFailed, match=why):
        send(f"http://127.0.0.1:{server.port}/", seconds=60)


def test_a_redirect_is_not_followed() -> None:
    caught: list[socket.socket] = []
    with (
        FakeServer(lambda sock, stopping: caught.append(sock), "127.0.0.2") as trap,
        FakeServer(receivers.redirects_to(f"http://127.0.0.2:{trap.port}/")) as server,
        pytest.raises(DeliveryFailed, match="redirects are not followed") as failed,
    ):
        send(f"http://127.0.0.1:{server.port}/", denied=("127.0.0.2/32",))
    assert (failed.value.status, caught) == (307, [])


def test_a_denied_address_is_not_connected_to() -> None:
    caught: list[socket.socket] = []
    with (
        FakeServer(lambda sock, stopping: caught.append(sock)) as trap,
        pytest.raises(DeliveryFailed, match="DENIED_NETWORKS"),
    ):
        send(f"http://localhost:{trap.port}/", denied=Defaults.DENIED_NETWORKS)
    assert caught == []


def test_one_denied_address_among_good_ones_is_enough(receiver: Receiver, mocker: MockerFixture) -> None:
    port = WebUrl.parse(receiver.url).port
    both = [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET, ("169.254.169.254", port))]
    mocker.patch.object(outgoing, "resolve", return_value=both)
    with pytest.raises(DeliveryFailed, match=r"169\.254\.169\.254"):
        send(f"http://h.example:{port}/", denied=("169.254.0.0/16",))
    assert receiver.got == []


def test_a_name_is_looked_up_once_and_that_address_is_connected_to(receiver: Receiver, mocker: MockerFixture) -> None:
    """A name server that gives another answer the second time (rebinding) is not asked a second time."""
    port = WebUrl.parse(receiver.url).port
    look = mocker.patch.object(outgoing, "resolve", return_value=[(socket.AF_INET, ("127.0.0.1", port))])
    assert send(f"http://h.example:{port}/") == 200
    assert look.call_count == 1
    assert receiver.got[0].headers["Host"] == f"h.example:{port}"


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.2:1")
    assert send(receiver.url) == 200


def test_a_port_where_nobody_listens_is_a_failure() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DeliveryFailed, match="refuses connections"):
        send(f"http://127.0.0.1:{port}/")


def test_a_name_that_does_not_resolve_is_a_failure() -> None:
    with pytest.raises(DeliveryFailed, match=r"does not resolve|No DNS answer"):
        send("http://nobody.invalid/")


def test_tls_is_checked_by_name_and_by_who_vouches_for_it(certificate: Certificate, mocker: MockerFixture) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate.public))
    with Receiver(chain=certificate.chain) as receiver:
        url = WebUrl.parse(receiver.url)
        assert post(url, b"{}", {}, (), context=trusting) == 200
        with pytest.raises(DeliveryFailed, match="not trusted"):
            post(url, b"{}", {}, ())
        mocker.patch.object(outgoing, "resolve", return_value=[(socket.AF_INET, ("127.0.0.1", url.port))])
        with pytest.raises(DeliveryFailed, match="not trusted"):
            post(WebUrl.parse(f"https://h.example:{url.port}/"), b"{}", {}, (), context=trusting)
        assert len(receiver.got) == 1


def test_a_handshake_that_hangs_is_cut_off() -> None:
    with FakeServer(lambda sock, stopping: stopping.wait(60)) as server:  # noqa: SIM117
        with pytest.raises(DeliveryFailed, match="in time"):
            send(f"https://127.0.0.1:{server.port}/", seconds=1)
