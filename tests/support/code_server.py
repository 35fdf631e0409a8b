"""A stand-in for code-server: it takes the flags that ours is started with, listens, and answers. As the archive of a
release, and as a package of an npm registry on loopback; both take a second instead of minutes."""

import base64
import hashlib
import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

VERSION = "4.96.4"
PROGRAM = f'''#!{sys.executable}
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

if "--version" in sys.argv:
    sys.exit(print("{VERSION} of the stand-in"))
words = sys.argv[1:]
asked = dict(zip(words, words[1:]))
if asked["--auth"] != "password" or "password: " not in open(asked["--config"]).read():
    sys.exit("a password is wanted")
host, port = asked["--bind-addr"].split(":")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({{"path": self.path, "cwd": os.getcwd(), "job": os.environ.get("BAREBOAT_JOB")}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


HTTPServer((host, int(port)), Handler).serve_forever()
'''


@dataclass(frozen=True, slots=True)
class Shop:
    """What gives it away: `archive_url` with its `sha256`, and an npm `registry`."""

    url: str
    sha256: str

    @property
    def archive_url(self) -> str:
        return f"{self.url}/release.tar.gz"

    @property
    def registry(self) -> str:
        return f"{self.url}/npm/"


@pytest.fixture
def shop() -> Iterator[Shop]:
    release = _tar({"code-server-4.96.4-linux-amd64/bin/code-server": PROGRAM})
    package = _tar({"package/out/node/entry.js": PROGRAM, "package/package.json": json.dumps(_MANIFEST)})
    goods = {"/release.tar.gz": release, "/npm/code-server.tgz": package}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = goods.get(self.path)
            if self.path == "/npm/code-server":
                body = json.dumps(_packument(f"http://{self.headers['Host']}/npm/code-server.tgz", package)).encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Shop(f"http://127.0.0.1:{server.server_port}", hashlib.sha256(release).hexdigest())
    server.shutdown()
    thread.join()
    server.server_close()


def leave_program(home: Path, name: str, text: str) -> None:
    """On the PATH of the account."""
    path = home / ".local/bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


_MANIFEST = {"name": "code-server", "version": VERSION, "bin": {"code-server": "out/node/entry.js"}}


def _packument(url: str, package: bytes) -> dict[str, object]:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()
    one = _MANIFEST | {"engines": {"node": ">= 12"}, "dist": {"tarball": url, "integrity": integrity}}
    return {"name": "code-server", "dist-tags": {"latest": VERSION}, "versions": {VERSION: one}}


def _tar(files: dict[str, str]) -> bytes:
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    return kept.getvalue()
