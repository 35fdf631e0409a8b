import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.giturl import (
    GitUrl,
    ensure_address_allowed,
    ensure_allowed,
    is_address_denied,
)
from app.config import Defaults
from app.errors import ActFailed, InvalidGitUrl

DEFAULT_DENIED_NETWORKS = Defaults.DENIED_NETWORKS

PIECES = [
    "https://",
    "ssh://",
    "git@",
    "host",
    ".",
    ":",
    "/",
    "@",
    "-",
    "[",
    "]",
    "::1",
    "127.1",
    "%",
    "..",
    "?",
    "#",
    "\n",
    "\t",
    "ext::",
    "file://",
    "a",
    "22",
    "\\",
    " ",
    "\0",
    "\ud800",
    "$HOME",
    "\u202e",
]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://github.com/a/b.git", ("https", None, "github.com", None, "/a/b.git")),
        ("https://bot@git.example.org:8443/a/b/", ("https", "bot", "git.example.org", 8443, "/a/b/")),
        ("http://10.0.0.7/a", ("http", None, "10.0.0.7", None, "/a")),
        ("git://[2001:db8::7]:9419/a", ("git", None, "2001:db8::7", 9419, "/a")),
        ("ssh://git@host:2222/~me/a.git", ("ssh", "git", "host", 2222, "/~me/a.git")),
        ("git@github.com:a/b.git", ("ssh", "git", "github.com", None, "a/b.git")),
        ("host:/srv/git/a", ("ssh", None, "host", None, "/srv/git/a")),
        ("git@[2001:db8::7]:a", ("ssh", "git", "2001:db8::7", None, "a")),
        ("https://host/$HOME/a;b&c", ("https", None, "host", None, "/$HOME/a;b&c")),
    ],
)
def test_an_address_is_taken_apart_and_kept_unchanged(text: str, parts: tuple[object, ...]) -> None:
    url = GitUrl.parse(text)
    assert (url.scheme, url.user, url.host, url.port, url.path) == parts
    assert str(url) == url.text == text


def test_ports_have_their_defaults() -> None:
    assert [GitUrl.parse(f"{scheme}://h/a").effective_port for scheme in ("https", "http", "git", "ssh")] == [
        443,
        80,
        9418,
        22,
    ]
    assert GitUrl.parse("h:a").effective_port == 22


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "1 to 2048"),
        ("https://h/" + "a" * 2048, "1 to 2048"),
        ("https://h/a\n", "control"),
        ("https://h/a\tb", "control"),
        ("https://h\0/a", "control"),
        ("https://h/a\u202eb", "control"),
        ("\ud800", "control"),
        ("-oProxyCommand=x:a", "start with '-'"),
        ("--upload-pack=x", "start with '-'"),
        ("file:///etc", "starts with https://"),
        ("ftp://h/a", "starts with https://"),
        ("HTTPS://h/a", "starts with https://"),
        ("ext::sh -c x", "must not start with ':'"),
        ("/srv/a", "local path"),
        ("./a", "local path"),
        ("../a:b", "local path"),
        ("a", "local path"),
        ("C:\\a", "must not hold '\\\\'"),
        ("https://u:p@h/a", "password"),
        ("u:p@h:a", "password"),
        ("ssh://-oProxyCommand=x/a", "host of a git address"),
        ("ssh://-u@h/a", "user"),
        ("-u@h:a", "start with '-'"),
        ("git://u@h/a", "no user"),
        ("https://u%40@h/a", "user"),
        ("https://h%2e/a", "host"),
        ("https://h_x/a", "host"),
        ("https://h./a", "host"),
        ("https://h..x/a", "host"),
        ("https:///a", "host"),
        ("https://münchen/a", "host"),
        ("https://127.1/a", "IPv4"),
        ("https://2130706433/a", "IPv4"),
        ("https://0x7f000001/a", "IPv4"),
        ("https://0177.0.0.1/a", "IPv4"),
        ("https://[::0001]/a", "IPv6"),
        ("https://[fe80::1%25eth0]/a", "IPv6"),
        ("https://[::1/a", "IPv4 address, or an IPv6"),
        ("https://h:0/a", "port"),
        ("https://h:65536/a", "port"),
        ("https://h:/a", "port"),
        ("https://h:22x/a", "port"),
        ("https://h", "path after the host"),
        ("https://h/", "path after the host"),
        ("h:", "path after the host"),
        ("h:-x", "must not start with"),
        ("https://h/a?b", "query"),
        ("https://h/a#b", "query"),
        ("https://h/%2e%2e/a", "query"),
        ("https://h/a b", "query"),
        ("https://h/../a", "'..' component"),
        ("https://h//a", "'..' component"),
        ("h:a/../../b", "'..' component"),
    ],
)
def test_what_is_no_such_address_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(InvalidGitUrl) as refusal:
        GitUrl.parse(text)
    assert rule in refusal.value.message


@given(st.lists(st.sampled_from(PIECES) | st.characters(), max_size=12).map("".join))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        url = GitUrl.parse(text)
    except InvalidGitUrl:
        return
    assert url.text == text
    assert url.scheme in ("https", "http", "git", "ssh")
    assert url.host
    assert not url.host.startswith("-")
    assert not (url.user or "").startswith("-")
    assert not set(text) & set("\n\r\t\0 %?#\\")
    assert ".." not in url.path.split("/")
    assert not url.path.startswith("-")


@pytest.mark.parametrize("text", ["http://h/a", "git://h/a"])
def test_a_scheme_must_be_allowed(text: str) -> None:
    with pytest.raises(InvalidGitUrl, match="ALLOWED_GIT_SCHEMES"):
        ensure_allowed(GitUrl.parse(text), ["https", "ssh"], DEFAULT_DENIED_NETWORKS)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.9.9.9",
        "localhost",
        "LOCALHOST",
        "x.localhost",
        "[::1]",
        "[::]",
        "0.0.0.0",
        "169.254.169.254",
        "100.100.100.200",
        "255.255.255.255",
        "[fe80::1]",
        "224.0.0.1",
        "[ff02::1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00:ec2::254]",
    ],
)
def test_addresses_of_denied_networks_are_refused(host: str) -> None:
    with pytest.raises(InvalidGitUrl):
        ensure_allowed(GitUrl.parse(f"https://{host}/a"), ["https"], DEFAULT_DENIED_NETWORKS)


@pytest.mark.parametrize(
    "host", ["github.com", "10.1.2.3", "192.168.0.1", "[fd12::1]", "[2001:db8::1]", "localhost.example"]
)
def test_other_addresses_are_allowed(host: str) -> None:
    ensure_allowed(GitUrl.parse(f"https://{host}/a"), ["https"], DEFAULT_DENIED_NETWORKS)


def test_nothing_is_denied_where_no_network_is() -> None:
    ensure_allowed(GitUrl.parse("git://127.0.0.1/a"), ["git"], [])
    ensure_allowed(GitUrl.parse("git://localhost/a"), ["git"], ["10.0.0.0/8"])


def test_a_resolved_address_is_refused_as_an_act() -> None:
    ensure_address_allowed("192.0.2.1", DEFAULT_DENIED_NETWORKS)
    with pytest.raises(ActFailed) as refusal:
        ensure_address_allowed("::ffff:127.0.0.3", DEFAULT_DENIED_NETWORKS)
    assert refusal.value.code == "git_address_denied"


@pytest.mark.parametrize("text", ["nonsense", "", "fe80::1%eth0", "127.0.0.1 "])
def test_what_is_no_plain_address_is_denied(text: str) -> None:
    assert is_address_denied(text, DEFAULT_DENIED_NETWORKS)
