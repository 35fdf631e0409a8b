"""Hooks of projects and of whole project sets: made, shown, changed, deleted. What comes in: hook_deliveries.py."""

import base64
import secrets
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select

from app.commands.refs import GitRef
from app.db import db, unit_of_work
from app.errors import Conflict, NotFound, naming
from app.models import Hook, HookDelivery
from app.secrets import Secret
from app.services.events import Actor, changes, event
from app.services.hook_payloads import SECRET_PREFIX
from app.services.paging import Page, paginate
from app.services.projects import get_project
from app.services.sealing import seal
from app.services.set_clones import get_set
from app.services.tokens import hash_token, new_token

HOOK_TOKEN_PREFIX: Final = "bbh_"  # noqa: S105 - a mark that secret scanners can look for, not a secret
MOST_HOOKS: Final = 20
PATH: Final = "/api/v1/hooks/"


@dataclass(frozen=True, slots=True)
class HookOwner:
    """What a push to the hook pulls: a project, or a whole project set; one of both is given."""

    project_id: int | None = None
    set_id: int | None = None

    @property
    def words(self) -> str:
        """Raises NotFound when it is not there."""
        if self.set_id is not None:
            return f"set {get_set(self.set_id).name}"
        return f"project {get_project(self.project_id or 0).name}"

    @property
    def columns(self) -> dict[str, int | None]:
        return {"project_id": self.project_id, "set_id": self.set_id}


def list_hooks(owner: HookOwner, page: int, page_size: int) -> Page[Hook]:
    _ = owner.words
    return paginate(select(Hook).filter_by(**owner.columns).order_by(Hook.id), page, page_size)


def hooks_of(owner: HookOwner) -> list[Hook]:
    return list(db.session.scalars(select(Hook).filter_by(**owner.columns).order_by(Hook.id)))


def list_deliveries(owner: HookOwner, hook_id: int, page: int, page_size: int) -> Page[HookDelivery]:
    """The latest first; only the last ones are kept."""
    get_hook(owner, hook_id)
    return paginate(select(HookDelivery).filter_by(hook_id=hook_id).order_by(HookDelivery.id.desc()), page, page_size)


def get_hook(owner: HookOwner, hook_id: int) -> Hook:
    """Of this owner: of another's nothing is told."""
    hook = db.session.get(Hook, hook_id)
    if hook is None or owner_of(hook) != owner:
        raise NotFound(f"There is no hook {hook_id} of {owner.words}.")
    return hook


def get_hook_by_id(hook_id: int) -> Hook:
    hook = db.session.get(Hook, hook_id)
    if hook is None:
        raise NotFound(f"There is no hook {hook_id}.")
    return hook


def owner_of(hook: Hook) -> HookOwner:
    return HookOwner(hook.project_id, hook.set_id)


def create_hook(owner: HookOwner, values: dict[str, Any], actor: Actor) -> tuple[Hook, Secret, Secret]:
    """`values`: `forge`, maybe `branch` and `enabled`; a set's also `concurrency` and `max_failures` of its runs. Token
    and secret are shown by this answer only."""
    _ensure_branch(values)
    words, token, secret = owner.words, new_token(HOOK_TOKEN_PREFIX), _new_secret()
    hook = Hook(created_by=actor.name, **owner.columns, **values)
    hook.token_hash, hook.secret_sealed = hash_token(token.reveal()), ""
    with unit_of_work() as session:
        if (session.scalar(select(func.count(Hook.id)).filter_by(**owner.columns)) or 0) >= MOST_HOOKS:
            raise Conflict(f"There are {MOST_HOOKS} hooks of {words} already; delete one that is not used.")
        session.add(hook)
        session.flush()  # the row's uid, to which the secret is bound, is made here
        hook.secret_sealed = seal(secret, hook.seal_purpose)
        session.add(event(actor, "hook.create", subject_of(hook), detail=hook.forge.value))
    return hook, token, secret


def update_hook(owner: HookOwner, hook_id: int, values: dict[str, Any], actor: Actor) -> Hook:
    """Turned off, it is as if it were not there, and what it has asked for is not waited for any more."""
    _ensure_branch(values)
    hook = get_hook(owner, hook_id)
    told = changes(hook, values)
    with unit_of_work() as session:
        for name, value in values.items():
            setattr(hook, name, value)
        if not hook.enabled:
            hook.pull_wanted_at = None
        session.add(event(actor, "hook.update", subject_of(hook), detail=told))
    return hook


def rotate_hook(owner: HookOwner, hook_id: int, actor: Actor) -> tuple[Hook, Secret, Secret]:
    """Another address and another secret; the old ones count for nothing from now on."""
    hook, token, secret = get_hook(owner, hook_id), new_token(HOOK_TOKEN_PREFIX), _new_secret()
    with unit_of_work() as session:
        hook.token_hash = hash_token(token.reveal())
        hook.secret_sealed = seal(secret, hook.seal_purpose)
        session.add(event(actor, "hook.rotate", subject_of(hook)))
    return hook, token, secret


def delete_hook(owner: HookOwner, hook_id: int, actor: Actor) -> None:
    hook = get_hook(owner, hook_id)
    with unit_of_work() as session:
        session.add(event(actor, "hook.delete", subject_of(hook)))
        session.delete(hook)


def path_of(token: Secret) -> str:
    """What comes behind this installation's own address."""
    return PATH + token.reveal()


def subject_of(hook: Hook) -> str:
    return f"hook {hook.id} of {owner_of(hook).words}"


def _new_secret() -> Secret:
    """256 bits, in the form that GitLab wants of a signing token."""
    return Secret(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())


def _ensure_branch(values: dict[str, Any]) -> None:
    if values.get("branch"):
        with naming("branch"):
            GitRef(values["branch"])
