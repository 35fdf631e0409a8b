"""Private git servers on loopback: over https behind a password, and over ssh for one deploy key."""

import base64
import ipaddress
import os
import shlex
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.forge import commit, git
from tests.support.sshd import KeyPair, SshdServer, make_keypair

USER, TOKEN = "deploy-bot", "tok3n-that-nobody-may-see-2f9c1d"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Certificate:
    """Self-signed, for 127.0.0.1 and localhost; `chain` holds the key too."""

    chain: Path
    public: Path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "private git")])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("127.0.0.2")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    public = made.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "chain.pem").write_bytes(private + public)
    (folder / "public.pem").write_bytes(public)
    return Certificate(folder / "chain.pem", folder / "public.pem")


class _Handler(BaseHTTPRequestHandler):
    server: "PrivateGit"

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def _serve(self, body: bytes) -> None:
        shown = self.headers.get("Authorization", "")
        self.server.shown.append(shown)
        if self.path.startswith("/moved/"):
            self._answer(302, {"Location": self.server.moved_to + self.path.removeprefix("/moved")}, b"")
        elif self.server.is_tell_tale and shown:
            self._answer(403, {"Content-Type": "text/plain"}, f"you sent {shown}, or {TOKEN}\n".encode())
        elif shown != self.server.wanted:
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"log in")
        else:
            self.server.before_answer()
            self._backend(body)

    def _backend(self, body: bytes) -> None:
        """git http-backend, by the rules of CGI."""
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.base),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": USER,
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200 OK").split()[0])
        self._answer(status, headers, content)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Quiet."""


class PrivateGit(ThreadingHTTPServer):
    """`shown` are the Authorization headers that came. `before_answer` is called once the password was right; a
    tell-tale refuses, and sends back what it was shown."""

    daemon_threads = True

    def __init__(self, base: Path, certificate: Certificate, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Handler)
        self.base, self.address = base, address
        self.shown: list[str] = []
        self.moved_to = ""
        self.is_tell_tale = False
        self.wanted = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        self.before_answer: Callable[[], None] = lambda: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.server_port}/app.git"

    @property
    def secrets_shown(self) -> list[str]:
        return [header for header in self.shown if header]

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


@pytest.fixture
def private_base(forge_template: Path, tmp_path: Path) -> Path:
    """A folder with `app.git`."""
    base = tmp_path / "private"
    shutil.copytree(forge_template / "app.git", base / "app.git")
    return base


@pytest.fixture
def make_private_git(private_base: Path, certificate: Certificate) -> Iterator[Callable[..., PrivateGit]]:
    made: list[tuple[PrivateGit, threading.Thread]] = []

    def make(address: str = "127.0.0.1") -> PrivateGit:
        server = PrivateGit(private_base, certificate, address)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made.append((server, thread))
        return server

    yield make
    for server, thread in made:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def private_git(make_private_git: Callable[..., PrivateGit]) -> PrivateGit:
    return make_private_git()


@pytest.fixture
def trusting_sshd(tmp_path: Path, ssh_keypair: KeyPair, certificate: Certificate) -> Iterator[SshdServer]:
    """A node with a mount namespace of its own, in which our certificate is in the CA store."""
    server = SshdServer(tmp_path / "trusting", ssh_keypair)
    store = tmp_path / "store.crt"
    store.write_bytes(certificate.public.read_bytes())
    script = f'mount --bind {shlex.quote(str(store))} {CERTIFICATES}; exec "$@"'
    server.prefix = ("unshare", "-m", "--propagation", "private", "sh", "-ec", script, "sh")
    with server:
        yield server


@dataclass
class SshGit:
    """An sshd that serves git to one deploy key, and nothing else; `gate` holds it up while it exists."""

    server: SshdServer
    key: KeyPair
    base: Path
    gate: Path
    others: list[KeyPair] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ssh://{self.server.target().user}@127.0.0.1:{self.server.port}{self.base}/app.git"

    @property
    def logins(self) -> int:
        return self.server.log().count("Accepted publickey")


@pytest.fixture
def ssh_git(private_base: Path, tmp_path: Path) -> Iterator[SshGit]:
    key = make_keypair(tmp_path)
    gate = tmp_path / "gate"
    wait = f"while [ -e {shlex.quote(str(gate))} ]; do sleep 0.05; done"
    command = f'{wait}; exec sh -c \\"$SSH_ORIGINAL_COMMAND\\"'
    server = SshdServer(tmp_path / "git-sshd", key)
    server.authorize(key, options=f'restrict,command="{command}"')
    with server:
        yield SshGit(server, key, private_base, gate)


def add_commit(base: Path, tmp_path: Path) -> str:
    """Push one more commit into `app.git`."""
    work = tmp_path / "pusher"
    if not work.exists():
        git("clone", "-q", str(base / "app.git"), str(work), cwd=tmp_path)
    sha = commit(work, "NEWS", os.urandom(4).hex(), "news")
    git("push", "-q", "origin", "HEAD", cwd=work)
    return sha
