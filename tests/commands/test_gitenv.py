import pytest

from app.commands.gitaccess import GitAccess
from app.commands.gitenv import git_environment, ssh_command
from app.commands.giturl import GitUrl
from app.errors import UnsafePath
from app.secrets import Secret

HTTPS, SSH = GitUrl.parse("https://git.example.org/a"), GitUrl.parse("ssh://git@git.example.org:2222/a")
KEY = GitAccess(public_key="ssh-ed25519 AAAAmine", host_keys=("ssh-ed25519 AAAAhost",))


def settings(environment: dict[str, str | Secret]) -> dict[str, str | Secret]:
    count = range(int(str(environment["GIT_CONFIG_COUNT"])))
    return {str(environment[f"GIT_CONFIG_KEY_{index}"]): environment[f"GIT_CONFIG_VALUE_{index}"] for index in count}


VARIABLES = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GIT_ALLOW_PROTOCOL": "https:ssh",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_CEILING_DIRECTORIES": "/data/projects",
    "GIT_ADVICE": "0",
    "HOME": "/dev/null",
}
TURNED = {
    "false": "core.fsmonitor core.untrackedCache submodule.recurse fetch.recurseSubmodules transfer.bundleURI "
    "http.followRedirects maintenance.auto log.showSignature",
    "true": "core.protectHFS core.protectNTFS transfer.fsckObjects",
    "never": "protocol.ext.allow protocol.file.allow",
    "ignore": "fetch.fsck.badTimezone fetch.fsck.missingSpaceBeforeDate fetch.fsck.zeroPaddedFilemode",
    "": "core.askPass http.proxy credential.helper init.templateDir",
    "die": "transfer.credentialsInUrl",
    "explicit": "safe.bareRepository",
    "cat": "core.pager",
    "0": "gc.auto",
    "1000": "http.lowSpeedLimit",
    "60": "http.lowSpeedTime",
    "/dev/null": "core.hooksPath",
}
EVENTS = (
    "post-checkout post-merge post-index-change reference-transaction pre-auto-gc post-rewrite pre-rebase pre-commit "
    "pre-merge-commit fsmonitor-watchman"
)
SSH_OPTIONS = (
    "BatchMode=yes StrictHostKeyChecking=yes GlobalKnownHostsFile=none IdentitiesOnly=yes PasswordAuthentication=no "
    "KbdInteractiveAuthentication=no ForwardAgent=no ForwardX11=no ClearAllForwardings=yes PermitLocalCommand=no "
    "ProxyCommand=none ControlPath=none UpdateHostKeys=no VerifyHostKeyDNS=no ConnectTimeout=15 "
    "ServerAliveInterval=15 ServerAliveCountMax=3"
)


def test_git_is_kept_from_prompts_hooks_and_foreign_configuration() -> None:
    environment = git_environment("/data/projects", allowed_schemes=("https", "ssh"))
    wanted = {key: value for value, keys in TURNED.items() for key in keys.split()}
    wanted |= {f"hook.{event}.enabled": "false" for event in EVENTS.split()}
    assert environment.items() >= VARIABLES.items()
    assert settings(environment).items() >= wanted.items()


def test_ssh_reads_no_file_of_the_account_and_forwards_nothing() -> None:
    line = str(git_environment("/data/projects")["GIT_SSH_COMMAND"])
    assert line.startswith("ssh -F none -T ")
    assert [option for option in SSH_OPTIONS.split() if f" -o {option} " not in f"{line} "] == []


def test_no_transport_is_allowed_unless_named() -> None:
    assert git_environment("/data/projects")["GIT_ALLOW_PROTOCOL"] == ""


@pytest.mark.parametrize(("address", "pin"), [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "[2001:db8::7]")])
def test_https_is_pinned_to_the_address(address: str, pin: str) -> None:
    got = settings(git_environment("/r", url=HTTPS, allowed_schemes=("https",), pinned_address=address))
    assert got["http.curloptResolve"] == f"git.example.org:443:{pin}"


def test_ssh_trusts_no_host_and_asks_nothing_by_default() -> None:
    line = ssh_command()
    assert line.startswith(
        "ssh -F none -T -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes "
    )
    assert "HostName" not in line


def test_ssh_is_pinned_to_the_address_under_its_own_name() -> None:
    line = str(git_environment("/r", url=SSH, pinned_address="192.0.2.7")["GIT_SSH_COMMAND"])
    assert line.endswith("-o HostName=192.0.2.7 -o HostKeyAlias=git.example.org")


@pytest.mark.parametrize("root", ["/tmp/a b", "/tmp/%d", "/tmp/$(x)", "/a'b"])
def test_a_root_that_ssh_would_expand_is_refused_for_ssh(root: str) -> None:
    with pytest.raises(UnsafePath, match="ssh addresses"):
        git_environment(root, url=SSH, access=KEY, job_key="job-1")


def test_without_a_key_ssh_offers_none_not_even_those_of_the_account() -> None:
    line = ssh_command()
    assert "-o IdentityAgent=none -o IdentityFile=none" in line


def test_with_a_key_ssh_asks_our_agent_for_it_alone_and_trusts_the_pins_alone() -> None:
    got = git_environment("/data/projects", url=SSH, allowed_schemes=("ssh",), access=KEY, job_key="job-1")
    folder = "/data/projects/.bareboat/jobs/job-1"
    line = str(got["GIT_SSH_COMMAND"])
    assert f"-o UserKnownHostsFile={folder}/known_hosts " in line
    assert f"-o IdentityAgent=SSH_AUTH_SOCK -o IdentityFile={folder}/identity.pub" in line
    assert "IdentitiesOnly=yes" in line
    assert line.endswith("-o HostKeyAlias=git.example.org")
    assert got["BAREBOAT_KNOWN_HOSTS"] == "git.example.org ssh-ed25519 AAAAhost"


def test_a_token_is_a_value_of_the_environment_behind_a_helper_for_one_scheme_host_and_port() -> None:
    token = Secret("s3cret")
    got = git_environment("/r", url=HTTPS, allowed_schemes=("https",), access=GitAccess("bob", token))
    assert (got["BAREBOAT_GIT_USER"], got["BAREBOAT_GIT_TOKEN"]) == ("bob", token)
    known = settings(got)
    assert known["credential.helper"] == ""
    assert "$BAREBOAT_GIT_TOKEN" in str(known["credential.https://git.example.org:443.helper"])
    assert "s3cret" not in repr(got)


@pytest.mark.parametrize(
    "url", [SSH, GitUrl.parse("http://git.example.org/a"), GitUrl.parse("git://git.example.org/a")]
)
def test_a_token_goes_with_https_alone(url: GitUrl) -> None:
    got = git_environment("/r", url=url, allowed_schemes=("https",), access=GitAccess("bob", Secret("s3cret")))
    assert not [name for name in got if "TOKEN" in name]
    assert not [name for name in settings(got) if name.startswith("credential.http")]


def test_a_pin_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        git_environment("/r", url=HTTPS, pinned_address="x -o ProxyCommand=y")


@pytest.mark.parametrize(("url", "allowed"), [(None, "https:ssh"), (HTTPS, "https"), (SSH, "ssh")])
def test_submodules_have_no_other_transport_than_the_repository(url: GitUrl | None, allowed: str) -> None:
    schemes = ("https", "file", "ext", "ssh")
    assert git_environment("/r", url=url, allowed_schemes=schemes)["GIT_ALLOW_PROTOCOL"] == allowed


def test_every_name_leads_ssh_to_the_address_that_was_written() -> None:
    line = ssh_command(url=GitUrl.parse("git@192.0.2.9:a/b"))
    assert line.endswith("-o HostName=192.0.2.9 -o HostKeyAlias=192.0.2.9")


def test_what_begins_with_another_host_is_led_to_no_transport() -> None:
    got = git_environment("/r", url=SSH, allowed_schemes=("ssh",))
    count = range(int(str(got["GIT_CONFIG_COUNT"])))
    pairs = [(got[f"GIT_CONFIG_KEY_{index}"], got[f"GIT_CONFIG_VALUE_{index}"]) for index in count]
    mine = "ssh://git@git.example.org:2222/"
    assert (f"url.{mine}.insteadOf", mine) in pairs
    refused = {value for key, value in pairs if key == "url.another-host://.insteadOf"}
    assert refused == {"https://", "http://", "git://", "ssh://"}
