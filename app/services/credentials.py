"""Git credentials: sealed when they come in, never shown again, and held to one server."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.commands.gitaccess import GitAccess
from app.commands.giturl import GitUrl
from app.db import db, unit_of_work, utcnow
from app.errors import CredentialInUse, Invalid, NameTaken, NotFound, naming
from app.models import CredentialKind, GitCredential, Node, Project, ProjectSet
from app.secrets import Secret
from app.services.events import Actor, event
from app.services.git_access import Access
from app.services.githosts import pins_of
from app.services.paging import Page, paginate
from app.services.runtime import runtime
from app.services.sealing import seal
from app.ssh.keyfile import load_private_key

SSH_USER = "git"


def list_credentials(page: int, page_size: int) -> Page[GitCredential]:
    return paginate(select(GitCredential).order_by(GitCredential.name), page, page_size)


def all_credentials() -> list[GitCredential]:
    return list(db.session.scalars(select(GitCredential).order_by(GitCredential.name)))


def fitting(git_url: str) -> list[GitCredential]:
    url = GitUrl.parse(git_url)
    return [credential for credential in all_credentials() if is_for(credential, url)]


def get_credential(credential_id: int) -> GitCredential:
    credential = db.session.get(GitCredential, credential_id)
    if credential is None:
        raise NotFound(f"There is no git credential {credential_id}.")
    return credential


def get_credential_by_name(name: str) -> GitCredential:
    credential = db.session.scalar(select(GitCredential).where(GitCredential.name == name))
    if credential is None:
        raise NotFound(f"There is no git credential {name!r}.")
    return credential


def create_credential(values: dict[str, Any], actor: Actor) -> GitCredential:
    """`values`: name, kind, host, maybe port, and: username and token; or private_key, maybe passphrase, username.

    Raises UnreadableKey with the reason, and NameTaken."""
    row = GitCredential(name=values["name"], kind=CredentialKind(values["kind"]), host=values["host"].lower())
    row.port, row.username = values.get("port"), values.get("username") or SSH_USER
    if row.kind is CredentialKind.SSH:
        return _store(row, _take_key(row, values["private_key"], values.get("passphrase")), actor)
    return _store(row, values["token"], actor)


def delete_credential(credential_id: int, actor: Actor) -> None:
    credential = get_credential(credential_id)
    if users := projects_using(credential_id) + _sets_using(credential_id):
        raise CredentialInUse(
            f"Git credential {credential.name!r} is in use by {', '.join(users)}; give them another credential first."
        )
    try:
        with unit_of_work() as session:
            session.add(event(actor, "credential.delete", f"credential {credential.name}", detail=credential.host))
            session.delete(credential)
    except IntegrityError as error:  # a project took it just now
        raise CredentialInUse() from error


def projects_using(credential_id: int) -> list[str]:
    """`name on node` of each."""
    rows = db.session.execute(
        select(Project.name, Node.name.label("node"))
        .join(Node, Project.node_id == Node.id)
        .where(Project.git_credential_id == credential_id)
        .order_by(Project.name_folded)
    )
    return [f"{row.name} on {row.node}" for row in rows]


def ensure_fits(credential_id: int | None, url: GitUrl) -> None:
    """Raises Invalid that names `git_credential_id`: no such one, or one for another host, port or scheme."""
    if credential_id is None:
        return
    credential = db.session.get(GitCredential, credential_id)
    with naming("git_credential_id"):
        if credential is None:
            raise Invalid(f"There is no git credential {credential_id}.")
        if credential.kind.value != url.scheme:
            raise Invalid(f"{credential.name!r} is for {credential.kind.value} addresses; this one is {url.scheme}.")
        if not is_for(credential, url):
            raise Invalid(f"{credential.name!r} is for {place_of(credential)} only; the address leads to {url.host}.")


def is_for(credential: GitCredential, url: GitUrl) -> bool:
    """Whether it is for just this scheme, host and port."""
    is_host = credential.host == url.host.lower()
    return is_host and credential.kind.value == url.scheme and port_of(credential) == url.effective_port


def port_of(credential: GitCredential) -> int:
    return credential.port or (443 if credential.kind is CredentialKind.HTTPS else 22)


def place_of(credential: GitCredential) -> str:
    return f"{credential.host}:{credential.port}" if credential.port else credential.host


def open_access(project: Project) -> Access:
    """What an act on this project may use. Its credential must still fit: raises Invalid."""
    url, credential = GitUrl.parse(project.git_url), project.git_credential
    pins = pins_of(url.host, url.effective_port) if url.scheme == "ssh" else ()
    if credential is None:
        return Access(git=GitAccess(host_keys=pins))
    ensure_fits(credential.id, url)
    secret = runtime().vault.open(credential.secret_sealed, credential.seal_purpose)
    if credential.kind is CredentialKind.HTTPS:
        return Access(credential.name, GitAccess(credential.username, secret))
    git = GitAccess(credential.username, public_key=credential.public_key or "", host_keys=pins)
    return Access(credential.name, git, secret, url.user or credential.username)


def note_use(credential_id: int) -> None:
    with unit_of_work() as session:
        session.get_one(GitCredential, credential_id).last_used_at = utcnow()


def _sets_using(credential_id: int) -> list[str]:
    rows = select(ProjectSet.name).filter_by(git_credential_id=credential_id).order_by(ProjectSet.name_folded)
    return [f"the project set {name}" for name in db.session.scalars(rows)]


def _take_key(row: GitCredential, private_key: Secret, passphrase: Secret | None) -> Secret:
    with naming("private_key"):
        key = load_private_key(private_key.reveal(), passphrase)
    row.public_key, row.fingerprint = key.public_key, key.fingerprint
    return key.pem


def _store(row: GitCredential, secret: Secret, actor: Actor) -> GitCredential:
    taken = NameTaken(
        f"There is a git credential {row.name!r} already; choose another name.", errors={"name": ["In use."]}
    )
    if db.session.scalar(select(GitCredential.id).where(GitCredential.name == row.name)) is not None:
        raise taken
    try:
        with unit_of_work() as session:
            session.add(row)
            row.secret_sealed = ""
            session.flush()  # the row's uid, to which the secret is bound, is made here
            row.secret_sealed = seal(secret, row.seal_purpose)
            detail = f"{row.kind.value} {place_of(row)} {row.fingerprint or ''}".strip()
            session.add(event(actor, "credential.add", f"credential {row.name}", detail=detail))
    except IntegrityError as error:
        raise taken from error
    return row
