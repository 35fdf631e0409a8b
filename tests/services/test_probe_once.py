"""A probe that somebody asks for is not made a second time by the schedule."""

from collections.abc import Callable

from flask import Flask
from pytest_mock import MockerFixture

from app.db import db, unit_of_work, utcnow
from app.models import Node, Probe
from app.services import liveness, probes, sightings
from app.services.sightings import Sighting


def test_the_schedule_leaves_a_node_alone_that_is_being_probed(
    app: Flask, make_node: Callable[..., int], mocker: MockerFixture
) -> None:
    node_id = make_node()
    due: list[set[int]] = []

    def look(asked: int) -> Sighting:
        due.append(set(liveness._claim_due()))
        return sightings.Sighting(utcnow(), latency_ms=1.0)

    mocker.patch("app.services.probes.look", side_effect=look)
    with app.app_context():
        with unit_of_work() as session:
            session.get_one(Node, node_id).next_probe_at = None
        probes.probe_node(node_id)
        assert due == [set()]
        assert db.session.query(Probe).count() == 1
