"""What a job does to give a node another SSH key: add the new line over the old key, log in with the new one, switch,
remove the old line over the new key.

Every step may be done again, so whoever takes the job up goes on. Until the switch the node keeps its key, and a new
one that is not let in is taken out again; after it, only the old line is left to be removed.
"""

from dataclasses import dataclass, replace

from sqlalchemy import select, update

from app.commands import authorized_keys
from app.commands.authorized_keys import Noted
from app.commands.base import Command
from app.db import db, release, unit_of_work
from app.errors import ActCancelled, ActFailed, AuthFailed, ShellUnusable, WrongState
from app.jobs import claims
from app.jobs.context import JobContext
from app.jobs.registry import JobKind
from app.models import Job, JobState, Node, Role, SSHKey
from app.services.act_results import ensure_succeeded
from app.services.events import Actor, event
from app.services.keys import get_key, reveal_key
from app.services.nodes import get_node
from app.services.project_acts import noting_refusals
from app.services.rotation_jobs import KIND
from app.services.runtime import runtime
from app.services.targets import build_target
from app.ssh.target import Target

_REFUSED = (
    "Node {node} does not let us in with the key {new} that was just put into ~/.ssh/authorized_keys, and keeps {old}. "
    "Does its sshd read another file (AuthorizedKeysFile, AuthorizedKeysCommand), does a tool manage the keys, or does "
    "it refuse this type of key? Its log says why; mend that, then run again what failed."
)
_SWITCHED = (
    "Cancelled after the switch: node {node} logs in with {new} by now. The line of {old} is still in its "
    "authorized_keys; change the key of this node once more to have it removed."
)


@dataclass(frozen=True, slots=True)
class _Key:
    id: int
    name: str
    public_key: str

    @classmethod
    def of(cls, key: SSHKey) -> "_Key":
        return cls(key.id, key.name, key.public_key)


@dataclass(frozen=True, slots=True)
class _Change:
    node_id: int
    node_name: str
    old: _Key
    new: _Key
    job_key: str
    noted: Noted


def perform_rotation(context: JobContext) -> None:
    params, node = context.order.params, get_node(context.order.node_id or 0)
    old, new = _Key.of(get_key(params["from_key_id"])), _Key.of(get_key(params["to_key_id"]))
    change = _Change(node.id, node.name, old, new, context.key, Noted(node.projects_root, context.note))
    has_new = node.ssh_key_id == new.id
    if not has_new and node.ssh_key_id != old.id:
        raise WrongState(f"Node {node.name} logs in with another key by now; it is left alone.")
    release()
    context.progress("running")
    if not has_new:
        _authorize(context, change)
        _ensure_let_in(context, change)
        _switch(context, change)
    _remove_old(context, change)


def _authorize(context: JobContext, change: _Change) -> None:
    """Whether the new key was there before us is stored before it is added: what we did not add, we do not take out."""
    target = _target(change, change.old)
    there = _run(target, authorized_keys.look(change.new.public_key, change.job_key))
    context.came_to({"new_key_was_there": there == "present"})
    told = _run(target, authorized_keys.add(change.new.public_key, change.old.public_key, change.job_key, change.noted))
    context.say(f"{change.new.name} is in authorized_keys beside {change.old.name} ({told}).")
    context.flush()


def _ensure_let_in(context: JobContext, change: _Change) -> None:
    """A cancel is heard here, too: the last moment before the node has another key."""
    if context.is_cancelled():
        _take_back(context, change, change.old)
        raise ActCancelled()
    if not _is_let_in(change):
        _take_back(context, change, change.old)
        names = {"node": change.node_name, "old": change.old.name, "new": change.new.name}
        raise ActFailed("new_key_refused", _REFUSED.format_map(names))
    context.say(f"A login with {change.new.name} is accepted.")


def _is_let_in(change: _Change) -> bool:
    """By a connection of its own. A jump host on the way may be getting another key at this moment: then once more."""
    for _ in range(2):
        target = _target(change, change.new)
        try:
            runtime().nodes.renew(target)
            _run(target, authorized_keys.look(change.new.public_key, change.job_key))
        except (AuthFailed, ShellUnusable):
            if _target(change, change.new) == target:
                return False
        else:
            return True
    return False


def _take_back(context: JobContext, change: _Change, over: _Key) -> None:
    if _was_there(context):
        context.say(f"{change.new.name} was in authorized_keys before, and stays.")
        return
    told = _run(_target(change, over), authorized_keys.remove(change.new.public_key, change.job_key, change.noted))
    context.say(f"{change.new.name} is taken out of authorized_keys again ({told}).")


def _was_there(context: JobContext) -> bool:
    result = db.session.scalar(select(Job.result).where(Job.id == context.order.job_id))
    release()
    return bool(result and result.get("new_key_was_there"))


def _switch(context: JobContext, change: _Change) -> None:
    """Other jobs under way there leave their runners, which know the old key only; they are taken up anew. From here on
    the node is changed, whatever becomes of the rest."""
    still = update(Node).where(Node.id == change.node_id, Node.ssh_key_id == change.old.id)
    actor = Actor(context.order.requested_by, Role.ADMIN)
    told = f"ssh_key: {change.old.name} → {change.new.name}"
    with unit_of_work() as session:
        is_moved = bool(session.execute(still.values(ssh_key_id=change.new.id)).rowcount)
        if is_moved:
            session.add(event(actor, "node.update", f"node {change.node_name}", detail=told))
            claims.take_from_runners(session, change.node_id, but=context.order.job_id)
            context.add_result(session, {"changed": True})
    if not is_moved and get_node(change.node_id).ssh_key_id != change.new.id:
        _take_back(context, change, change.new)
        raise WrongState(f"Node {change.node_name} was given another key meanwhile; it is left alone.")
    context.say(f"From now on Bareboat logs in with {change.new.name}.")
    context.flush()


def _remove_old(context: JobContext, change: _Change) -> None:
    """Not while another of our nodes is the same account and logs in with it: the last of them removes it."""
    if (other := _find_other_user(change)) is not None:
        context.say(f"{change.old.name} stays in authorized_keys: node {other} is the same account, and uses it.")
        return
    told = _run(
        _target(change, change.new), authorized_keys.remove(change.old.public_key, change.job_key, change.noted)
    )
    context.came_to({"changed": told == "removed"})
    context.say(f"{change.old.name} is out of authorized_keys ({told}).")


def _find_other_user(change: _Change) -> str | None:
    node = get_node(change.node_id)
    same = {"hostname": node.hostname, "ssh_port": node.ssh_port, "ssh_user": node.ssh_user}
    others = select(Node.name).filter_by(**same, jump_node_id=node.jump_node_id, ssh_key_id=change.old.id)
    name: str | None = db.session.scalar(others.where(Node.id != node.id).limit(1))
    release()
    return name


def _target(change: _Change, key: _Key) -> Target:
    """As its rows say now, the way there included, with this key."""
    row = get_key(key.id)
    target = replace(
        build_target(get_node(change.node_id)), private_key=reveal_key(row), key_fingerprint=row.fingerprint
    )
    release()
    return target


def _run(target: Target, command: Command) -> str:
    result = runtime().nodes.run(target, command)
    ensure_succeeded(result, command)
    return result.stdout.decode("ascii", "replace").strip()


def _settle(job: Job) -> None:
    """A cancel that comes while the job waits after the switch leaves the old line, and says so."""
    if job.state is JobState.SUCCEEDED:
        job.exit_status = 0
    if job.state is JobState.CANCELLED and job.result and job.result.get("changed"):
        job.error_message = _SWITCHED.format(node=job.node_name, new=job.params["to_key"], old=job.params["from_key"])


KINDS = (JobKind(KIND, noting_refusals(perform_rotation), on_ended=_settle, is_repeatable=True, role=Role.ADMIN),)
