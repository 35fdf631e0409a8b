"""How `gunicorn wsgi:app` serves: one process with the web, the scheduler and the job runner in it.

One worker, because each worker would start a scheduler of its own. More web processes: start them with
BAREBOAT_SCHEDULER_ENABLED=false, beside `flask --app wsgi scheduler` and `… runner`. Every value can be overridden on
gunicorn's command line.
"""

import os
from typing import Any

bind = os.environ.get("BAREBOAT_BIND", "127.0.0.1:8000")
workers = 1
worker_class = "gthread"
threads = 16
graceful_timeout = 10
keepalive = 5
proc_name = "bareboat"
# By itself gunicorn believes what any sender on loopback, or at a socket file, says of schemes and paths. Proxies are
# counted by TRUSTED_PROXIES, and by nothing else.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
control_socket_disable = True  # newer gunicorns would make a socket in the user's home


def post_fork(server: Any, worker: Any) -> None:
    """Our log lines go to stderr beside gunicorn's."""
    from app.redaction import log_to_stderr  # not above, as below

    log_to_stderr()


def worker_exit(server: Any, worker: Any) -> None:
    """Threads and connections end with the worker, so that SIGTERM needs seconds."""
    from app import stop  # not above: the checkout is not on the path yet when this file is read

    application = getattr(worker, "wsgi", None)
    if application is not None:  # it never came up
        stop(application)
