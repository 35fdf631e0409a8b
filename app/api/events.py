"""The audit log."""

import json
from typing import Any

from flask import Response, stream_with_context

from app.api.blueprint import Blueprint
from app.schemas.events import ChainSchema, EventQuery, EventSchema, ExportQuery, VerificationSchema
from app.services import audit, event_search

blueprint = Blueprint("events", "/events", "Who asked for what, from where, with which outcome.")


@blueprint.get("")
@blueprint.guard("admin")
@blueprint.lists(EventSchema, EventQuery)
def list_events(**query: Any) -> Any:
    """List events

    The newest first. Where several filters or `search` are given, 100,000 events are looked through at a time;
    `next_before` in `X-Pagination`, given as `before`, goes on behind them.
    """
    return event_search.list_events(**query)


@blueprint.post("/verify")
@blueprint.guard("admin")
@blueprint.response(200, VerificationSchema)
def verify_events() -> Any:
    """Verify the chain of events

    Every event is read. Note the head elsewhere: a later look shows whether it is still there.
    """
    return audit.verify_events()


@blueprint.get("/chain")
@blueprint.guard("admin")
@blueprint.response(200, ChainSchema)
def get_event_chain() -> Any:
    """Read where the chain of events ends"""
    return audit.get_chain()


@blueprint.get("/export")
@blueprint.guard("admin")
@blueprint.arguments(ExportQuery, location="query")
@blueprint.response(200, content_type="application/x-ndjson", description="A line of JSON for each event.")
def export_events(query: dict[str, Any]) -> Response:
    """Export events as lines of JSON

    The oldest first, each as it is hashed, with its hash.
    """
    lines = (json.dumps(line) + "\n" for line in audit.export_events(query["after"]))
    headers = {"Content-Disposition": 'attachment; filename="bareboat-events.jsonl"'}
    return Response(stream_with_context(lines), content_type="application/x-ndjson", headers=headers)
