"""How `gunicorn wsgi:app` reads a request: nobody's word counts for a proxy's before TRUSTED_PROXIES is asked."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser

SETTINGS = Path(__file__).parent.parent / "gunicorn.conf.py"
LOOPBACK = ("127.0.0.1", 40_000)
SOCKET_FILE = ""


@pytest.fixture
def config() -> Config:
    made = Config()
    for name, value in runpy.run_path(str(SETTINGS)).items():
        if name in made.settings:
            made.set(name, value)
    return made


def read(config: Config, sender: Any, *headers: str) -> Any:
    lines = ["POST /login HTTP/1.1", "Host: bareboat.example", *headers, "", ""]
    return next(RequestParser(config, iter(["\r\n".join(lines).encode()]), sender))


@pytest.mark.parametrize("sender", [LOOPBACK, SOCKET_FILE], ids=["loopback", "a socket file"])
@pytest.mark.parametrize("header", ["X-Forwarded-Proto: https", "X-Forwarded-Protocol: ssl", "X-Forwarded-Ssl: on"])
def test_a_header_alone_makes_no_request_one_over_tls(config: Config, sender: Any, header: str) -> None:
    assert read(config, sender, header).scheme == "http"


@pytest.mark.parametrize("sender", [LOOPBACK, SOCKET_FILE], ids=["loopback", "a socket file"])
@pytest.mark.parametrize("header", ["SCRIPT_NAME: /x", "PATH_INFO: /users", "X_FORWARDED_FOR: 192.0.2.1"])
def test_no_header_is_taken_for_a_part_of_the_environment(config: Config, sender: Any, header: str) -> None:
    """They would be the same names there as those with hyphens, which a proxy looks at."""
    assert header.partition(":")[0] not in dict(read(config, sender, header).headers)


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: +5"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding : chunked"],
        [" Transfer-Encoding: chunked"],
        ["Host: other.example"],
        ["X: a\x00b"],
        ["X: " + "a" * 10_000],
        [f"X-{number}: a" for number in range(200)],
    ],
    ids=lambda headers: headers[0][:40],
)
def test_what_a_proxy_may_read_in_another_way_is_refused(config: Config, headers: list[str]) -> None:
    with pytest.raises(ParseException):
        read(config, LOOPBACK, *headers)
