"""A small HTTP server that plays a git host in bad moods; it keeps the paths that it was asked for."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

# What is answered to everything below the first path component.
MOODS = {
    "missing": (404, {}, b"not found"),
    "private": (401, {"WWW-Authenticate": 'Basic realm="git"'}, b"log in"),
    "broken": (500, {}, b"oops"),
    "page": (200, {"Content-Type": "text/html"}, b"<html>please log in</html>"),
    "moved": (301, {"Location": "http://127.0.0.1:9/elsewhere.git"}, b""),
}


class _Handler(BaseHTTPRequestHandler):
    server: "BadGitHost"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, headers, body = MOODS[self.path.split("/")[1]]
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *words: object) -> None:
        """Quiet."""


class BadGitHost(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []

    def url(self, mood: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{mood}/app.git"


@pytest.fixture
def bad_git_host() -> Iterator[BadGitHost]:
    with BadGitHost() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
