"""Deliveries as the documentation of forges describes them: headers and payload of a push, signed with a secret."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ZEROS = "0" * 40


@dataclass(frozen=True)
class Delivery:
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def but(self, body: bytes | None = None, **headers: str | None) -> "Delivery":
        """Another body, other headers (`X_GitHub_Event=…`; None: without it), the same signature."""
        changed = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in changed.items() if value is not None}
        return Delivery(self.body if body is None else body, kept)


def github(secret: str, branch: str = "main", **payload: Any) -> Delivery:
    about = {
        "ref": f"refs/heads/{branch}",
        "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": uuid.uuid4().hex + "00000001",
        "created": False,
        "deleted": False,
        "forced": False,
        "compare": "https://github.com/octo/shop/compare/6113728f27ae...000000000000",
        "commits": [{"id": "0" * 39 + "1", "message": "more", "added": ["README"], "removed": [], "modified": []}],
        "repository": {"id": 1, "full_name": "octo/shop", "clone_url": "https://evil.example.net/x.git"},
        "pusher": {"name": "octo", "email": "octo@example.org"},
    }
    body = _json(about | payload)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-GitHub-Event": "push",
        "X-GitHub-Hook-ID": "292430182",
        "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), body, "sha1").hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hex_hmac(secret, body),
    }
    return Delivery(body, headers)


def gitea(secret: str, branch: str = "main", **payload: Any) -> Delivery:
    about = {
        "ref": f"refs/heads/{branch}",
        "before": "28e1879d029cb852e4844d9c718537df08844e03",
        "after": uuid.uuid4().hex + "00000002",
        "compare_url": "http://localhost:3000/gitea/shop/compare/28e1879d…bffeb742",
        "commits": [{"id": "0" * 39 + "2", "message": "more", "timestamp": "2026-03-13T13:52:11-04:00"}],
        "repository": {"id": 140, "full_name": "gitea/shop", "updated_at": "2026-03-13T13:52:12-04:00"},
        "pusher": {"id": 1, "login": "gitea"},
    }
    body, delivery_id = _json(about | payload), str(uuid.uuid4())
    names = ("X-GitHub", "X-Gogs", "X-Gitea")
    headers = {f"{name}-Delivery": delivery_id for name in names} | {f"{name}-Event": "push" for name in names}
    signed = hex_hmac(secret, body)
    headers |= {"X-Gitea-Signature": signed, "X-Gogs-Signature": signed, "X-Hub-Signature-256": f"sha256={signed}"}
    return Delivery(body, headers | {"Content-Type": "application/json"})


def gitlab(secret: str, branch: str = "main", **payload: Any) -> Delivery:
    """With the secret token itself."""
    about = {
        "object_kind": "push",
        "event_name": "push",
        "before": "95790bf891e76fee5e1747ab589903a6a1f80f22",
        "after": uuid.uuid4().hex + "00000003",
        "ref": f"refs/heads/{branch}",
        "checkout_sha": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7",
        "project": {"id": 15, "name": "shop", "git_http_url": "http://evil.example.net/x.git"},
        "commits": [],
        "total_commits_count": 1,
    }
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/17.5.1",
        "Idempotency-Key": str(uuid.uuid4()),
        "X-Gitlab-Event": "Push Hook",
        "X-Gitlab-Event-UUID": str(uuid.uuid4()),
        "X-Gitlab-Webhook-UUID": "3c5c0404-c866-44bc-a5f6-452bb1bfc76e",
        "X-Gitlab-Instance": "https://gitlab.example.com",
        "X-Gitlab-Token": secret,
    }
    return Delivery(_json(about | payload), headers)


def gitlab_signed(secret: str, branch: str = "main", *, age_seconds: float = 0, **payload: Any) -> Delivery:
    """With a signing token: the form of Standard Webhooks, and no secret in it."""
    plain = gitlab(secret, branch, **payload)
    message_id, said_at = plain.headers["Idempotency-Key"], str(int(time.time() - age_seconds))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.digest(key, f"{message_id}.{said_at}.".encode() + plain.body, "sha256")
    signature = f"v1,{base64.b64encode(signed).decode()}"
    return Delivery(
        plain.body,
        {name: value for name, value in plain.headers.items() if name != "X-Gitlab-Token"}
        | {"webhook-id": message_id, "webhook-timestamp": said_at, "webhook-signature": signature},
    )


FORGES: dict[str, Callable[..., Delivery]] = {"github": github, "gitlab": gitlab, "gitea": gitea}


def hex_hmac(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _json(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload).encode()
