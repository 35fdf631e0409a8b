"""Lists of projects and jobs are answered from indexes, in their order: nothing long is sorted or read whole."""

import re

import pytest
from flask import Flask

from app.jobs import claims
from app.services import jobs
from bench.large import API, asks
from tests.support.application import client_with_session, client_with_token, token_of
from tests.support.large import LARGER, Statement, asked, fill_database, plan

LONG = ("project", "job", "job_log_chunk", "probe", "event")


@pytest.fixture
def large(app: Flask) -> Flask:
    fill_database(app, LARGER)
    return app


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("projects", "ix_project_name_folded"),
        ("projects?search=shop", "ix_project_name_folded"),
        ("projects?status=ERROR", "ix_project_status_name_folded"),
        ("projects?node_id=3", "uq_project_node_id_name_folded"),
        ("projects?node_id=3&status=ACTIVE", "uq_project_node_id_name_folded"),
        ("projects?sort=-status", "ix_project_status_name_folded"),
        ("projects?sort=-created_at", "ix_project_created_at"),
        ("projects?sort=last_synced_at", "ix_project_last_synced_at"),
        ("jobs?state=FAILED", "ix_job_state_id"),
        ("jobs?kind=project.pull", "ix_job_kind_id"),
        ("jobs?sort=-kind", "ix_job_kind_id"),
        ("jobs?project_id=3", "ix_job_project_id_id"),
        ("jobs?node_id=3", "ix_job_node_id_id"),
        ("jobs?node_id=3&state=SUCCEEDED", "ix_job_node_id_id"),
        ("jobs?project_id=3&state=SUCCEEDED", "ix_job_project_id_id"),
        ("jobs?project_id=3&kind=project.pull", "ix_job_project_id_id"),
        ("jobs?sort=created_at", "ix_job_created_at"),
        ("jobs?sort=-finished_at", "ix_job_finished_at"),
        ("nodes/3/probes", "ix_probe_node_id_id"),
        ("events", "ix_event_at_id"),
        ("events?before=1500", "ix_event_at_id"),
        ("events?since=2026-01-01T00:10:00&until=2026-01-01T00:20:00", "ix_event_at_id"),
        ("events?action=project.pull", "ix_event_action_at_id"),
        ("events?actor=admin&before=1500", "ix_event_actor_at_id"),
        ("events?outcome=requested&since=2026-01-01T00:10:00", "ix_event_outcome_at_id"),
        ("events?node=node-00003", "ix_event_node_name_at_id"),
        ("events?project=shop-3", "ix_event_project_name_at_id"),
    ],
)
def test_a_list_walks_along_its_index(large: Flask, query: str, index: str) -> None:
    client = client_with_token(large, token_of(large, "admin"))
    with asked(large) as statements:
        assert client.get(f"{API}/{query}").status_code == 200
    ids = next(one for one in statements if _is_long(one) and "ORDER BY" in one[0])
    lines = plan(large, ids)
    assert f"INDEX {index}" in lines[0]
    assert not [line for line in lines if "TEMP B-TREE" in line]


def test_no_list_and_no_page_reads_a_long_table_whole(large: Flask) -> None:
    rest, person = client_with_token(large, token_of(large, "admin")), client_with_session(large, "admin")
    with asked(large) as statements:
        for ask in asks(LARGER):
            assert (rest if ask.path.startswith(API) else person).get(ask.path).status_code == 200, ask
    assert [(one[0], bad) for one in statements for bad in _whole_reads(large, one)] == []


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("search=nosuchtext", "ix_event_at_id"),
        ("actor=admin&action=project&trouble=true", "ix_event_actor_at_id"),
        ("project=shop-3&node=node-00004&outcome=requested&search=shop", "ix_event_project_name_at_id"),
    ],
)
def test_a_search_of_events_looks_through_so_many_along_one_index(large: Flask, query: str, index: str) -> None:
    client = client_with_token(large, token_of(large, "admin"))
    with asked(large) as statements:
        assert client.get(f"{API}/events?{query}").status_code == 200
    looks = [one for one in statements if "FROM (SELECT" in one[0] and "FROM event" in one[0]]
    assert looks
    for look in looks:
        assert "LIMIT" in look[0].partition("AS anon")[0]
        assert [line for line in plan(large, look) if "event" in line and index not in line] == []


def test_runners_find_work_without_reading_the_history(large: Flask) -> None:
    with asked(large) as statements, large.app_context():
        claims.candidates(claims.Most(4, 100))
        claims.held()
        claims.abandon_dead()
    assert [(one[0], bad) for one in statements for bad in _whole_reads(large, one)] == []


def test_the_job_under_way_of_a_project_is_found_by_the_index_that_makes_it_the_only_one(large: Flask) -> None:
    with asked(large) as statements, large.app_context():
        assert jobs.find_job_under_way(1) is not None
        assert len(jobs.under_way_by_project([1, 2, 3])) == 3
    plans = [line for one in statements if _is_long(one) for line in plan(large, one)]
    assert [line for line in plans if "uq_job_project_id_under_way" not in line] == []


def _whole_reads(app: Flask, statement: Statement) -> list[str]:
    """Lines of the plan that read a long table whole: neither along an index, nor ended by a limit."""
    if not statement[0].startswith("SELECT"):
        return []
    is_limited = "LIMIT" in statement[0]
    return [
        line
        for line in plan(app, statement)
        if (found := re.match(r"SCAN (\w+)", line)) and found[1] in LONG and "INDEX" not in line and not is_limited
    ]


def _is_long(statement: Statement) -> bool:
    return any(f"FROM {table}" in statement[0] for table in LONG)
