"""The lines that the builders make."""

from app.commands import git as commands
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectsRoot
from app.commands.refs import GitRef
from tests.commands.acts import NAME
from tests.commands.shells import NONCE, Node

HOSTILE = "a'; touch /tmp/x; $(touch /tmp/x)"


def test_a_hostile_branch_is_one_quoted_word_of_the_clone() -> None:
    command = commands.clone(
        ProjectsRoot("/data/it's here"),
        NAME,
        GitUrl.parse("https://git.example.org/$HOME/a.git"),
        branch=GitRef("a';$(touch${IFS}x)"),
        depth=3,
        submodules=True,
        job_key="7",
        allowed_schemes=("https", "ssh"),
    )
    assert (
        """set -- '/data/it'"'"'s here' app 7 'https://git.example.org/$HOME/a.git' 'a'"'"';$(touch${IFS}x)' 3 1 ''\n"""
        in command.script(NONCE)
    )


def test_a_pull_names_address_branch_strategy_and_job() -> None:
    command = commands.pull(
        ProjectsRoot("/data/projects"),
        NAME,
        GitUrl.parse("git@git.example.org:$(x)/a"),
        branch=GitRef("a&b"),
        strategy="reset",
        job_key="7",
        allowed_schemes=("ssh",),
    )
    assert "set -- 'git@git.example.org:$(x)/a' 'a&b' reset 7\n" in command.script(NONCE)


def test_a_checkout_names_address_and_ref() -> None:
    command = commands.checkout(ProjectsRoot("/data/projects"), NAME, GitRef("a`x`"))
    assert "set -- '' 'a`x`'\n" in command.script(NONCE)


def test_a_status_names_address_and_limit_and_takes_no_lock() -> None:
    command = commands.status(ProjectsRoot("/data/projects"), NAME, url=GitUrl.parse("https://h/$(x)"))
    assert "set -- 'https://h/$(x)' 524288\n" in command.script(NONCE)
    assert command.environment["GIT_OPTIONAL_LOCKS"] == "0"


def test_a_delete_names_root_project_job_address_and_force() -> None:
    command = commands.delete(ProjectsRoot("/data/$(x)"), NAME, force=True, trash_key="7")
    assert "set -- '/data/$(x)' app 7 '' 1 ''\n" in command.script(NONCE)


def test_a_resolve_names_the_host() -> None:
    assert "set -- 'a$(x)'\n" in commands.resolve("a$(x)").script(NONCE)


def test_a_node_tells_the_addresses_of_a_name(dash: Node) -> None:
    result = dash.run(commands.resolve("localhost"))
    assert set(commands.parse_addresses(result.stdout)) <= {"127.0.0.1", "::1"}
    assert commands.parse_addresses(result.stdout)


def test_words_that_are_no_address_are_kept_to_be_denied() -> None:
    assert commands.parse_addresses(b"10.0.0.1 STREAM x\n10.0.0.1 DGRAM\n\nnonsense\xff\n") == (
        "10.0.0.1",
        "nonsense\N{REPLACEMENT CHARACTER}",
    )
