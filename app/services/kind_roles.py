"""Who may ask for a kind of job: alone, in a run, again, or to stop. Those on nodes are for admins."""

from app.errors import Forbidden
from app.models import Role
from app.services.events import Actor
from app.services.runtime import runtime


def role_for(kind: str) -> Role:
    return runtime().registry.role_of(kind)


def ensure_may_ask(kind: str, actor: Actor) -> None:
    """Raises Forbidden."""
    needed = role_for(kind)
    if not actor.role.includes(needed):
        raise Forbidden(f"{kind} needs the role {needed.value}; yours is {actor.role.value}. Ask an admin.")
