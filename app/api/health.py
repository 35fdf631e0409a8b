"""For machines that watch: is the process up, can it work, how much of what is there, what is late. No names."""

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, ProcessCollector, generate_latest

from app.services import health

blueprint = Blueprint("health", __name__)
_HELP = {
    "nodes": ("status", "Nodes by status."),
    "projects": ("status", "Projects by status."),
    "jobs": ("state", "Jobs by state, as far back as the history is kept."),
    "notifications": ("state", "Notifications by state; of each channel the last 200 that ended are kept."),
}


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process is up and answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The database answers, and the scheduler runs where it should."""
    checks = health.check()
    is_ready = all(checks.values())
    words = {name: "ok" if is_fine else "failed" for name, is_fine in checks.items()}
    return jsonify(status="ready" if is_ready else "not_ready", checks=words), 200 if is_ready else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counted anew at each request: several processes on one database all tell the same, but for `process_…`."""
    registry = CollectorRegistry()
    for noun, counts in health.counts().items():
        label, text = _HELP[noun]
        gauge = Gauge(f"bareboat_{noun}", text, [label], registry=registry)
        for word, count in counts.items():
            gauge.labels(word).set(count)
    delay = Gauge("bareboat_delay_seconds", "How long what is due has waited for somebody.", ["of"], registry=registry)
    for noun, seconds in health.delays().items():
        delay.labels(noun).set(seconds)
    ProcessCollector(registry=registry)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
