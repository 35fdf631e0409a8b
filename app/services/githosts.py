"""Git servers that are spoken to over ssh: scanned from here, compared, pinned; for the public forges, shipped pins.

As soon as an admin has said anything of a server, that alone counts: what we ship is where its row begins.
"""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.db import db, release, unit_of_work, utcnow
from app.errors import Invalid, NameTaken, NotFound, WrongState, naming
from app.models import GitHost, GitHostKey
from app.plurals import counted
from app.services.events import Actor, event
from app.services.paging import Page, paginate
from app.ssh.forges import CHECKED_ON, shipped_keys
from app.ssh.hostkeys import HostKeyLine, parse_host_key
from app.ssh.scan import scan

SHIPPED = f"shipped {CHECKED_ON.isoformat()}"


def list_hosts(page: int, page_size: int) -> Page[GitHost]:
    return paginate(select(GitHost).order_by(GitHost.host, GitHost.port), page, page_size)


def get_host(host_id: int) -> GitHost:
    host = db.session.get(GitHost, host_id)
    if host is None:
        raise NotFound(f"There is no git server {host_id}.")
    return host


def find_host(name: str, port: int) -> GitHost | None:
    return db.session.scalar(select(GitHost).where(GitHost.host == name.lower(), GitHost.port == port))


def get_host_by_name(name: str, port: int = 22) -> GitHost:
    host = find_host(name, port)
    if host is None:
        raise NotFound(f"There is no git server {name!r} with port {port}; add it first.")
    return host


def pins_of(name: str, port: int) -> tuple[str, ...]:
    """`type base64` of each key that the server may show; empty: none is trusted."""
    host = find_host(name, port)
    return shipped_keys(name, port) if host is None else tuple(key.public_key for key in host.host_keys)


def create_host(name: str, port: int, actor: Actor) -> GitHost:
    """A forge that we know begins with the pins that we ship; they can be taken back."""
    host = GitHost(host=name.lower(), port=port, offered_host_keys=[])
    for line in shipped_keys(name, port):
        host.host_keys.append(_row(parse_host_key(line), SHIPPED))
    try:
        with unit_of_work() as session:
            session.add(host)
            pins = counted(len(host.host_keys), "shipped pin")
            session.add(event(actor, "git-host.add", _subject(host), detail=pins))
    except IntegrityError as error:
        text = f"There is a git server {name!r} with port {port} already."
        raise NameTaken(text, errors={"host": ["There already."]}) from error
    return host


def delete_host(host_id: int, actor: Actor) -> None:
    """Its pins go with it. Of a public forge, what we ship counts again."""
    host = get_host(host_id)
    with unit_of_work() as session:
        session.add(event(actor, "git-host.delete", _subject(host)))
        session.delete(host)


def scan_host(host_id: int, actor: Actor) -> tuple[HostKeyLine, ...]:
    """Ask the server for its host keys, from here and not from a node, without logging in. Nothing is trusted yet."""
    host = get_host(host_id)
    name, port = host.host, host.port
    release()
    offered = scan(name, port)
    with unit_of_work() as session:
        host = session.get_one(GitHost, host_id)
        host.offered_host_keys, host.offered_at = [str(key) for key in offered], utcnow()
        detail = ", ".join(key.fingerprint for key in offered)
        session.add(event(actor, "git-host.scan", _subject(host), detail=detail))
    return offered


def offered_keys(host: GitHost) -> list[HostKeyLine]:
    return [parse_host_key(line) for line in host.offered_host_keys]


def pin(host_id: int, values: dict[str, str], actor: Actor) -> GitHostKey:
    """`values`: a `fingerprint` that the last scan has shown, or a whole `public_key`."""
    host = get_host(host_id)
    if "public_key" in values:
        with naming("public_key"):
            return _pin(host, parse_host_key(values["public_key"].strip()), actor)
    return _pin(host, _offered(host, values["fingerprint"].strip()), actor)


def unpin(host_id: int, host_key_id: int, actor: Actor) -> None:
    host = get_host(host_id)
    key = next((key for key in host.host_keys if key.id == host_key_id), None)
    if key is None:
        raise NotFound(f"Git server {host.host} has no host key {host_key_id}.")
    with unit_of_work() as session:
        session.add(event(actor, "git-host.unpin", _subject(host), detail=key.fingerprint))
        session.delete(key)


def _offered(host: GitHost, fingerprint: str) -> HostKeyLine:
    if not host.offered_host_keys:
        raise WrongState(f"Git server {host.host} has not been scanned; scan it first, then pin what it offers.")
    for key in offered_keys(host):
        if key.fingerprint == fingerprint:
            return key
    rule = f"Git server {host.host} did not offer a key with this fingerprint; compare it, or scan again."
    raise Invalid(rule, errors={"fingerprint": [rule]})


def _pin(host: GitHost, key: HostKeyLine, actor: Actor) -> GitHostKey:
    """A key that is pinned already stays as it is."""
    for known in host.host_keys:
        if known.public_key == str(key):
            return known
    row = _row(key, actor.name)
    with unit_of_work() as session:
        host.host_keys.append(row)
        session.add(event(actor, "git-host.pin", _subject(host), detail=f"{key.type} {key.fingerprint}"))
    return row


def _row(key: HostKeyLine, who: str) -> GitHostKey:
    return GitHostKey(type=key.type, fingerprint=key.fingerprint, public_key=str(key), pinned_by=who)


def _subject(host: GitHost) -> str:
    return f"git server {host.host}:{host.port}"
