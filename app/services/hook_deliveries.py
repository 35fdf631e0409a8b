"""What comes in by a hook: judged, remembered, and turned into a pull that is wanted. Never anything else.

Nothing of a payload is used but the name of the branch, to compare it. A signed delivery is stored in one transaction
with what it asks for, so it is neither lost nor heard twice; the pull itself is queued by hook_pulls.py.
"""

import time
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work, utcnow
from app.errors import BareboatError, HookReplayed, Invalid, NotFound, SignatureInvalid
from app.models import Hook, HookDelivery, HookOutcome, HookSeen, Role
from app.redaction import printable
from app.services import hook_pulls
from app.services.events import Actor, event
from app.services.hook_payloads import Request, ensure_signed, event_of, keys_of, pushed_branch
from app.services.hooks import subject_of
from app.services.project_sets import member_branches
from app.services.runtime import runtime
from app.services.tokens import hash_token

KEPT: Final = 50
SEEN_FOR: Final = timedelta(hours=48)  # the promise is 24; the clearing comes once an hour
_REFUSED: Final = {
    SignatureInvalid: HookOutcome.UNSIGNED,
    HookReplayed: HookOutcome.REPLAYED,
    Invalid: HookOutcome.UNREADABLE,
}


def receive(token: str, request: Request) -> None:
    """Take a delivery. Raises NotFound (also for a hook that is off), SignatureInvalid, HookReplayed, Invalid."""
    hook = _find_hook(token)
    hook_id = hook.id
    secret = runtime().vault.open(hook.secret_sealed, hook.seal_purpose)
    try:
        ensure_signed(hook.forge, secret, request, time.time())
        branch = pushed_branch(hook.forge, request)
        is_wanted = _take(hook, request, branch)
    except (SignatureInvalid, HookReplayed, Invalid) as error:
        _note_refusal(hook_id, request, error)
        raise
    if is_wanted:
        hook_pulls.start(hook_id)


def note_huge(token: str, request: Request) -> None:
    """A body that was too large to be read. Raises NotFound."""
    _note_refusal(_find_hook(token).id, request, Invalid("The body is larger than 256 KiB; nothing of it was read."))


def forget_seen() -> None:
    with unit_of_work() as session:
        session.execute(delete(HookSeen).where(HookSeen.created_at < utcnow() - SEEN_FOR))


def _find_hook(token: str) -> Hook:
    hook = db.session.scalar(select(Hook).where(Hook.token_hash == hash_token(token)))
    if hook is None or not hook.enabled:
        raise NotFound("There is no such hook.")
    return hook


def _take(hook: Hook, request: Request, branch: str | None) -> bool:
    """Whether a pull is wanted. Raises HookReplayed."""
    followed = _followed(hook)
    is_wanted = branch is not None and (not followed or branch in followed)
    delivery = _delivery(hook, request, branch, HookOutcome.WAITING if is_wanted else HookOutcome.IGNORED)
    seen = [HookSeen(hook_id=hook.id, key=key) for key in keys_of(hook.forge, request)]
    if branch is not None and not is_wanted:
        delivery.detail = f"Not the branch {' or '.join(sorted(followed))}."[:512]
    try:
        with unit_of_work() as session:
            session.add_all(seen)
            session.flush()
            if is_wanted:
                hook.pull_wanted_at = func.coalesce(Hook.pull_wanted_at, utcnow())
            _log(session, hook, delivery)
    except IntegrityError as error:
        raise HookReplayed() from error
    return is_wanted


def _followed(hook: Hook) -> set[str]:
    """Its own branch, else that of its project or set, else those that members of the set are on; none: every one."""
    if hook.branch:
        return {hook.branch}
    if hook.project is not None:
        return {hook.project.branch} if hook.project.branch else set()
    wanted = hook.project_set.branch if hook.project_set else None
    return {wanted} if wanted else member_branches(hook.set_id or 0)


def _note_refusal(hook_id: int, request: Request, error: BareboatError) -> None:
    hook = db.session.get(Hook, hook_id)
    if hook is None:
        return
    delivery = _delivery(hook, request, None, _REFUSED[type(error)])
    delivery.detail = error.message
    sender = Actor(f"hook {hook_id}", Role.VIEWER, request.address)
    with unit_of_work() as session:
        session.add(event(sender, "hook.refused", subject_of(hook), "refused", error.code))
        _log(session, hook, delivery)


def _delivery(hook: Hook, request: Request, branch: str | None, outcome: HookOutcome) -> HookDelivery:
    said = printable(event_of(hook.forge, request))[:64]
    return HookDelivery(
        hook_id=hook.id,
        address=request.address,
        event=said,
        branch=printable(branch)[:255] if branch else None,
        outcome=outcome,
    )


def _log(session: Any, hook: Hook, delivery: HookDelivery) -> None:
    """Within the caller's transaction; what is older than the last ones goes."""
    hook.last_delivery_at, hook.last_outcome = utcnow(), delivery.outcome
    session.add(delivery)
    session.flush()
    of_hook = select(HookDelivery.id).filter_by(hook_id=hook.id).order_by(HookDelivery.id.desc())
    if oldest := session.scalar(of_hook.offset(KEPT - 1).limit(1)):
        session.execute(delete(HookDelivery).where(HookDelivery.hook_id == hook.id, HookDelivery.id < oldest))
