"""Addresses that notifications may be sent to: what the grammar takes, and what it refuses."""

import pytest

from app.config import Defaults
from app.errors import Invalid
from app.services.weburl import WebUrl, ensure_allowed


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://hooks.slack.com/services/T0/B0/xyz", ("https", "hooks.slack.com", 443, "/services/T0/B0/xyz")),
        ("https://h.example:8443?token=a%20b&c=d", ("https", "h.example", 8443, "/?token=a%20b&c=d")),
        ("http://192.0.2.7/x", ("http", "192.0.2.7", 80, "/x")),
        ("https://[2001:db8::1]:444/", ("https", "2001:db8::1", 444, "/")),
    ],
)
def test_what_is_taken(text: str, parts: tuple[str, str, int, str]) -> None:
    url = WebUrl.parse(text)
    assert (url.scheme, url.host, url.port, url.target) == parts
    assert url.target not in url.place or url.target == "/"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hooks.example.com",
        "ftp://h.example/",
        "https://",
        "https:///x",
        "https://user@h.example/",
        "https://h.example@evil.example/",
        "https://h.example/#x",
        "https://h.example/a b",
        "https://h.example/\r\nX-Evil: 1",
        "https://h.example\\@evil.example/",
        "https://h.exa\tmple/",
        "https://exämple.org/",
        "https://h.example:0/",
        "https://h.example:65536/",
        "https://h.example:/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://h..example/",
        "https://-h.example/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://[:::]/",
        "https://h.example/" + "x" * 2048,
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        WebUrl.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://h.example/",
        "https://localhost/",
        "https://x.LOCALHOST/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest",
        "https://0.0.0.0/",
    ],
)
def test_plain_http_and_denied_networks_are_refused_before_a_name_is_looked_up(text: str) -> None:
    with pytest.raises(Invalid):
        ensure_allowed(WebUrl.parse(text), False, Defaults.DENIED_NETWORKS)
