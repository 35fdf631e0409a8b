"""SSH keys: generated or imported, sealed, never shown again."""

from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.db import db, unit_of_work
from app.errors import KeyInUse, NameTaken, NotFound, naming
from app.models import Node, SSHKey
from app.secrets import Secret
from app.services.events import Actor, event
from app.services.paging import Page, paginate
from app.services.runtime import runtime
from app.services.sealing import seal
from app.ssh.keyfile import PrivateKey, generate_private_key, load_private_key


def list_keys(page: int, page_size: int) -> Page[SSHKey]:
    return paginate(select(SSHKey).order_by(SSHKey.name), page, page_size)


def get_key(key_id: int) -> SSHKey:
    key = db.session.get(SSHKey, key_id)
    if key is None:
        raise NotFound(f"There is no SSH key {key_id}.")
    return key


def get_key_by_name(name: str) -> SSHKey:
    key = db.session.scalar(select(SSHKey).where(SSHKey.name == name))
    if key is None:
        raise NotFound(f"There is no SSH key {name!r}.")
    return key


def create_key(values: dict[str, Any], actor: Actor) -> SSHKey:
    """`values`: `name`, and either `generate` (a kind) or `private_key` with its `passphrase` if it has one."""
    if "generate" in values:
        return generate_key(values["name"], values["generate"], actor)
    return import_key(values["name"], values["private_key"], values.get("passphrase"), actor)


def generate_key(name: str, kind: Literal["ed25519", "ecdsa", "rsa"], actor: Actor) -> SSHKey:
    return _store(name, generate_private_key(kind, f"bareboat {name}"), "key.generate", actor)


def import_key(name: str, private_key: Secret, passphrase: Secret | None, actor: Actor) -> SSHKey:
    """Raises UnreadableKey with the reason; nothing of the key's text is in it."""
    with naming("private_key"):
        key = load_private_key(private_key.reveal(), passphrase)
    return _store(name, key, "key.import", actor)


def delete_key(key_id: int, actor: Actor) -> None:
    key = get_key(key_id)
    nodes = nodes_using(key_id)
    if nodes:
        raise KeyInUse(f"SSH key {key.name!r} is in use by {', '.join(nodes)}; give them another key first.")
    with unit_of_work() as session:
        session.add(event(actor, "key.delete", f"key {key.name}", detail=key.fingerprint))
        session.delete(key)


def nodes_using(key_id: int) -> list[str]:
    """Names of the nodes that log in with this key."""
    return list(db.session.scalars(select(Node.name).where(Node.ssh_key_id == key_id).order_by(Node.name)))


def users_by_key(key_ids: list[int], most: int) -> dict[int, list[str]]:
    """Names of some nodes that log in with each key, `most` of each."""
    place = func.row_number().over(partition_by=Node.ssh_key_id, order_by=Node.name).label("place")
    ranked = select(Node.ssh_key_id, Node.name, place).where(Node.ssh_key_id.in_(key_ids)).subquery()
    named: dict[int, list[str]] = {key_id: [] for key_id in key_ids}
    for row in db.session.execute(select(ranked).where(ranked.c.place <= most).order_by(ranked.c.place)):
        named[row.ssh_key_id].append(row.name)
    return named


def use_counts() -> dict[int, int]:
    """Number of nodes by key id."""
    rows = db.session.execute(select(Node.ssh_key_id, func.count()).group_by(Node.ssh_key_id))
    return {key_id: count for key_id, count in rows if key_id is not None}


def reveal_key(key: SSHKey) -> Secret:
    """The private half, for the connection only."""
    return runtime().vault.open(key.private_key_sealed, key.seal_purpose)


def _store(name: str, key: PrivateKey, action: str, actor: Actor) -> SSHKey:
    row = SSHKey(
        name=name, type=key.type, bits=key.bits, fingerprint=key.fingerprint, public_key=f"{key.public_key} {name}"
    )
    try:
        with unit_of_work() as session:
            _ensure_new(name, key.fingerprint)
            session.add(row)
            row.private_key_sealed = ""
            session.flush()  # the row's uid, to which the sealed key is bound, is made here
            row.private_key_sealed = seal(key.pem, row.seal_purpose)
            session.add(event(actor, action, f"key {name}", detail=key.fingerprint))
    except IntegrityError as error:
        raise NameTaken(f"There is an SSH key {name!r} already; choose another name.") from error
    return row


def _ensure_new(name: str, fingerprint: str) -> None:
    same = db.session.scalar(select(SSHKey).where((SSHKey.name == name) | (SSHKey.fingerprint == fingerprint)))
    if same is not None and same.name == name:
        raise NameTaken(f"There is an SSH key {name!r} already; choose another name.", errors={"name": ["In use."]})
    if same is not None:
        raise NameTaken(f"This key is stored already, as {same.name!r}; use that one.")
