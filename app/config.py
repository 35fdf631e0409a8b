"""Settings: defaults here, then `instance/config.py`, then `BAREBOAT_*` in the environment, then what a test hands in.

Every name is explained in docs/settings.md; a test holds the two together.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Flask

from app.errors import SettingsWrong

CHECKOUT: Final = Path(__file__).resolve().parent.parent
MIB: Final = 1024 * 1024


class Defaults:
    """What holds when nobody says otherwise. Durations are in the unit of their name, sizes in bytes."""

    SQLALCHEMY_DATABASE_URI: str | None = None  # SQLite in the instance folder
    MASTER_KEY: str | None = None  # else the file master.key in KEYS_DIR
    MASTER_KEY_PREVIOUS: str | None = None  # while a rotation of MASTER_KEY goes on
    KEYS_DIR = str(CHECKOUT / "keys")
    PROJECTS_ROOT = "/data/projects"
    PLAYBOOKS_DIR = str(CHECKOUT / "playbooks")

    JOB_TRANSPORT = "thread"  # or "amqp": nudges reach runners in other processes over the broker
    BROKER_URL: str | None = None  # amqp://user:password@name:5672/vhost; it holds a password
    RUNNER_MEMORY_MIB = 2048  # the most that `flask runner` takes; 0: no limit
    JOB_THREADS = 8
    JOB_TIMEOUT_SECONDS = 3600
    JOB_MAX_ATTEMPTS = 3
    JOB_LOG_LIMIT_BYTES = 10 * MIB
    JOB_LEASE_SECONDS = 60
    MAX_JOBS_PER_NODE = 4
    MAX_QUEUED_JOBS = 10_000
    MAX_QUEUED_JOBS_PER_USER = 5_000
    MAX_JOBS = 100  # of all runners of this installation together
    JOB_OFFLINE_POLICY = "hold"  # or "fail": what becomes of queued jobs when their node goes offline
    JOB_SWEEP_SECONDS = 5
    JOB_HISTORY_DAYS = 90
    EVENT_HISTORY_DAYS = 0  # for ever

    SCHEDULER_ENABLED = True
    PROBE_INTERVAL_SECONDS = 30
    PROBE_TIMEOUT_SECONDS = 10
    PROBE_FAILURES_BEFORE_OFFLINE = 2
    PROBE_MAX_BACKOFF_SECONDS = 600
    PROBE_THREADS = 16
    FACTS_INTERVAL_SECONDS = 300
    FRESH_CONNECTION_SECONDS = 900
    PROBE_HISTORY_DAYS = 7

    ALLOWED_GIT_SCHEMES = ("https", "ssh")
    # Loopback, link-local (with the clouds' metadata service), unspecified, multicast and broadcast; then the two
    # metadata addresses that clouds keep outside link-local. Private ranges stay: companies keep their git there.
    DENIED_NETWORKS = (
        "127.0.0.0/8",
        "::1/128",
        "169.254.0.0/16",
        "fe80::/10",
        "0.0.0.0/8",
        "::/128",
        "224.0.0.0/4",
        "ff00::/8",
        "255.255.255.255/32",
        "100.100.100.200/32",
        "fd00:ec2::254/128",
    )

    MAX_REPOSITORY_MIB = 10 * 1024  # what a clone, a pull or a checkout may write; 0: no limit

    RECOVERY_DAYS = 30  # how long a pull that changed something can be undone
    TRASH_DAYS = 7  # how long what was deleted stays in its node's trash; 0: removed at once

    ALLOWED_COMMANDS: tuple[str, ...] = ()  # names of programs that may be run in projects; empty: any

    SSH_IDLE_SECONDS = 300
    STATUS_TIMEOUT_SECONDS = 20

    ALERT_WINDOW_SECONDS = 300  # a state that was told is not told again before that
    NOTIFY_ALLOW_HTTP = False
    SMTP_HOST: str | None = None  # None: there is no mail
    SMTP_PORT = 587
    SMTP_SECURITY = "starttls"  # or "tls", "none"
    SMTP_USERNAME: str | None = None
    SMTP_PASSWORD: str | None = None
    SMTP_FROM: str | None = None

    DEMO = False  # shows on every page that this is a throw-away installation

    SESSION_COOKIE_NAME = "bareboat_session"
    SESSION_COOKIE_HTTPONLY = True
    SESSION_COOKIE_SAMESITE = "Lax"
    SESSION_COOKIE_SECURE: bool | None = None  # as the request came: over TLS or not
    SESSION_IDLE_MINUTES = 30
    SESSION_HOURS = 12
    REQUIRE_SECOND_FACTOR_FOR_ADMINS = False
    MAX_CONTENT_LENGTH = MIB
    TRUSTED_PROXIES = 0  # how many proxies in front of us set X-Forwarded-*
    LOGIN_RATE_LIMIT = "10 per minute"
    HOOK_RATE_LIMIT = "60 per minute"  # deliveries from one address to one hook

    EXTERNAL_URL: str | None = None  # https://bareboat.example.com: where browsers find us
    OIDC_ISSUER: str | None = None  # None: passwords are the only login
    OIDC_CLIENT_ID: str | None = None
    OIDC_CLIENT_SECRET: str | None = None
    OIDC_ROLES: Mapping[str, str] | None = None  # value of the claim → viewer, operator or admin
    OIDC_ROLE_CLAIM = "groups"
    OIDC_USERNAME_CLAIM = "preferred_username"
    OIDC_NAME = "single sign-on"
    OIDC_ALLOW_LOOPBACK_HTTP = False

    API_TITLE = "Bareboat"
    API_VERSION = "v1"
    OPENAPI_VERSION = "3.0.3"


SETTINGS: Final = tuple(name for name in vars(Defaults) if name.isupper())


def check_transport(transport: object, broker_url: object) -> None:
    """Raises SettingsWrong naming the setting."""
    if transport not in ("thread", "amqp"):
        raise SettingsWrong(f"JOB_TRANSPORT is {transport!r}; it is 'thread' or 'amqp'.")
    if transport == "amqp" and urlsplit(str(broker_url or "")).scheme not in ("amqp", "amqps"):
        raise SettingsWrong("JOB_TRANSPORT is 'amqp', so BROKER_URL has to be an amqp:// or amqps:// address.")


def instance_path() -> str:
    return os.environ.get("BAREBOAT_INSTANCE_PATH") or str(CHECKOUT / "instance")


def load_settings(app: Flask, overrides: Mapping[str, Any] | None) -> None:
    """Fill `app.config`; the SQLite default needs the instance folder, so it is settled last."""
    app.config.from_object(Defaults)
    app.config.from_pyfile("config.py", silent=True)
    app.config.from_prefixed_env("BAREBOAT")
    app.config.from_mapping(overrides or {})
    if not app.config["SQLALCHEMY_DATABASE_URI"]:
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{app.instance_path}/bareboat.db"
    app.config.setdefault("SQLALCHEMY_ENGINE_OPTIONS", _engine_options(app.config["SQLALCHEMY_DATABASE_URI"]))


def _engine_options(address: str) -> dict[str, Any]:
    """A connection for each thread that wants one at this moment, ten of them kept. Those to a server are tried before
    they are used: it may have been restarted."""
    is_file = address.startswith("sqlite")
    if is_file and address.removeprefix("sqlite://").strip("/") in ("", ":memory:"):
        return {}
    return {"pool_size": 10, "max_overflow": -1, "pool_pre_ping": not is_file}
