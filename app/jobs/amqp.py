"""AMQP: nudges between processes over RabbitMQ. Every runner hears every nudge; the table decides who gets the job.

A nudge that is lost costs what a sweep takes (JOB_SWEEP_SECONDS), one that comes twice costs a look at the table. So a
broker that is down stops nothing, and nothing has to be confirmed, stored or delivered again.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from kombu import Connection, Consumer, Exchange, Message, Queue
from kombu.exceptions import KombuError
from kombu.mixins import ConsumerMixin
from kombu.pools import producers
from kombu.pools import reset as close_pools

EXCHANGE: Final = Exchange("bareboat.jobs", type="fanout", durable=True)
CONNECT_SECONDS: Final = 3
PAUSE_SECONDS: Final = 10  # without a broker: for so long nobody waits for it again
MOST_WAITING: Final = 1000
# Tried twice: the pool may hold a connection from before the broker was restarted.
_TRANSIENT: Final[dict[str, Any]] = {
    "exchange": EXCHANGE,
    "declare": [EXCHANGE],
    "delivery_mode": "transient",
    "retry": True,
    "retry_policy": {"max_retries": 1, "interval_start": 0},
}
_TROUBLES: Final = (OSError, KombuError)

logger = logging.getLogger(__name__)


def connect(url: str) -> Connection:
    """A broker's address, not connected yet. `url` is `amqp://user:password@name:5672/vhost`, or `amqps://`."""
    return Connection(url, connect_timeout=CONNECT_SECONDS, heartbeat=30)


class AmqpQueue:
    """Publishes nudges, from any thread."""

    def __init__(self, broker: Connection) -> None:
        self._broker = broker
        self._silent_until = 0.0

    def nudge(self, job_id: int) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            with producers[self._broker].acquire(block=True, timeout=CONNECT_SECONDS) as producer:
                producer.publish({"job_id": job_id}, **_TRANSIENT)
        except (*_TROUBLES, *self._broker.connection_errors, *self._broker.channel_errors) as error:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            logger.warning("the broker did not take a nudge (%s); runners find jobs by sweeping", type(error).__name__)

    def close(self) -> None:
        close_pools()


class NudgeListener(ConsumerMixin):
    """Hears nudges in a thread of its own and hands them on; comes back by itself when the broker was away."""

    def __init__(self, broker: Connection, nudge: Callable[[int], None]) -> None:
        self.connection = broker.clone()
        self.connect_max_retries = None
        self._nudge = nudge
        self._thread = threading.Thread(target=self.run, name="nudges", daemon=True)
        self.is_listening = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Hear nothing more; calling it again does nothing."""
        self.should_stop = True
        if self._thread.is_alive():
            self._thread.join(CONNECT_SECONDS + 2)

    def get_consumers(self, consumer: type[Consumer], channel: Any) -> list[Consumer]:
        own = Queue(exchange=EXCHANGE, exclusive=True, auto_delete=True, max_length=MOST_WAITING, channel=channel)
        return [consumer([own], callbacks=[self._heard], no_ack=True, accept=["json"])]

    def on_consume_ready(self, *_: object, **__: object) -> None:
        self.is_listening.set()

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        self.is_listening.clear()
        logger.warning("the broker is away (%s); asking again in %.0f s", type(exc).__name__, interval)

    def _heard(self, body: object, message: Message) -> None:
        """What it says does not matter, and is not trusted: the table is looked at."""
        job_id = body.get("job_id") if isinstance(body, dict) else None
        self._nudge(job_id if isinstance(job_id, int) else 0)
