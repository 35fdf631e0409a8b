import pytest

from app.commands.gitenv import git_environment, ssh_command
from app.commands.giturl import GitUrl

HTTPS, SSH = GitUrl.parse("https://git.example.org/a"), GitUrl.parse("ssh://git@git.example.org:2222/a")


def settings(environment: dict[str, str]) -> dict[str, str]:
    count = range(int(environment["GIT_CONFIG_COUNT"]))
    return {environment[f"GIT_CONFIG_KEY_{index}"]: environment[f"GIT_CONFIG_VALUE_{index}"] for index in count}


def test_git_is_kept_from_prompts_hooks_and_foreign_configuration() -> None:
    environment = git_environment("/data/projects", allowed_schemes=("https", "ssh"))
    wanted = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": "https:ssh",
        "GIT_CEILING_DIRECTORIES": "/data/projects",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }
    assert wanted.items() <= environment.items()
    wanted = {
        "core.hooksPath": "/dev/null",
        "hook.post-checkout.enabled": "false",
        "protocol.file.allow": "never",
        "transfer.bundleURI": "false",
        "http.followRedirects": "false",
        "transfer.fsckObjects": "true",
        "credential.helper": "",
    }
    assert wanted.items() <= settings(environment).items()


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
    line = git_environment("/r", url=SSH, pinned_address="192.0.2.7")["GIT_SSH_COMMAND"]
    assert line.endswith("-o HostName=192.0.2.7 -o HostKeyAlias=git.example.org")


@pytest.mark.parametrize("path", ["/tmp/a b", "/tmp/%d", "relative", "/tmp/$(x)", "/a'b"])
def test_a_known_hosts_file_that_ssh_would_expand_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="known_hosts"):
        ssh_command(path)


def test_a_pin_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        git_environment("/r", url=HTTPS, pinned_address="x -o ProxyCommand=y")
