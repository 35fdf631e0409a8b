"""Nudges over a real RabbitMQ: heard by every runner, and missed without harm."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.jobs import amqp
from tests.support.services import Broker

pytestmark = [pytest.mark.amqp, pytest.mark.slow]


class Ear:
    """A runner's listener; `heard` are the ids."""

    def __init__(self, url: str) -> None:
        self.heard: list[int] = []
        self._new = threading.Condition()
        self.listener = amqp.NudgeListener(amqp.connect(url), self._hear)
        self.listener.start()
        assert self.listener.is_listening.wait(60)

    def _hear(self, job_id: int) -> None:
        with self._new:
            self.heard.append(job_id)
            self._new.notify_all()

    def wait_for(self, job_id: int) -> bool:
        with self._new:
            return self._new.wait_for(lambda: job_id in self.heard, 60)


@pytest.fixture
def ear() -> Iterator[Callable[[str], Ear]]:
    made: list[Ear] = []

    def make(url: str) -> Ear:
        made.append(Ear(url))
        return made[-1]

    yield make
    for one in made:
        one.listener.stop()


@pytest.fixture
def queue() -> Iterator[Callable[[str], amqp.AmqpQueue]]:
    made: list[amqp.AmqpQueue] = []

    def make(url: str) -> amqp.AmqpQueue:
        made.append(amqp.AmqpQueue(amqp.connect(url)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_nudge_is_heard_by_every_runner(
    shared_broker: Broker, ear: Callable[[str], Ear], queue: Callable[[str], amqp.AmqpQueue]
) -> None:
    first, second = ear(shared_broker.url), ear(shared_broker.url)
    queue(shared_broker.url).nudge(7)
    assert first.wait_for(7)
    assert second.wait_for(7)


def test_what_the_message_says_is_not_trusted(shared_broker: Broker, ear: Callable[[str], Ear]) -> None:
    one = ear(shared_broker.url)
    with amqp.connect(shared_broker.url) as connection:
        producer = connection.Producer()
        for body in ({"job_id": "1; DROP TABLE job"}, [1], "x", {"job_id": 5}):
            producer.publish(body, exchange=amqp.EXCHANGE)
    assert one.wait_for(5)
    assert one.heard == [0, 0, 5]  # what is not JSON is not even read


def test_a_broker_that_is_away_stops_nobody_and_is_found_again(
    tmp_path: Path,
    ear: Callable[[str], Ear],
    queue: Callable[[str], amqp.AmqpQueue],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(amqp, "PAUSE_SECONDS", 0)
    broker = Broker(tmp_path)
    try:
        broker.start()
        one, sender = ear(broker.url), queue(broker.url)
        broker.stop()
        sender.nudge(1)
        assert "runners find jobs by sweeping" in caplog.text
        assert "guest:guest" not in caplog.text
        broker.start()
        for job_id in range(2, 600):  # it is back when it has found the broker again, at a time of its own
            sender.nudge(job_id)
            if one.heard:
                break
            threading.Event().wait(0.1)
        assert one.heard
        assert 1 not in one.heard
    finally:
        one.listener.stop()
        broker.stop()
