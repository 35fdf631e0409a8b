"""What has failed elsewhere and has no nearer place for its test; the whole list is docs/failures-of-others.md."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from app.commands.git import clone
from app.commands.giturl import GitUrl
from app.commands.paths import ProjectName, ProjectsRoot
from app.config import CHECKOUT
from app.ssh.negotiation import CIPHERS, KEY_EXCHANGES, MACS

APP = CHECKOUT / "app"
NOT_DEPENDED_ON = {"gitpython", "gitdb", "ansi2html", "ansi-up", "pickle5", "pyyaml-include"}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(APP.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def imported(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_an_address_is_kept_as_it_is_whatever_a_shell_would_make_of_it() -> None:
    """CVE-2026-42215 and its kin: variables in addresses were expanded."""
    text = "https://git.example.com/$HOME/$IFS/~x/shop.git"
    url = GitUrl.parse(text)
    assert str(url) == text
    asked = clone(
        ProjectsRoot("/data/projects"), ProjectName("shop"), url, job_key="job-1-0-a", allowed_schemes=["https"]
    )
    assert text in asked.arguments


def test_a_clone_copies_no_objects_from_a_path() -> None:
    """CVE-2022-39253: with a path for an address git links what is there, through whatever links there are."""
    program = (APP / "commands/programs/clone.sh").read_text()
    assert re.search(r"^set -- clone .*--no-local .*--no-recurse-submodules", program, re.MULTILINE)


def test_no_library_that_guesses_at_options_or_at_markup_is_depended_on() -> None:
    locked = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (CHECKOUT / "requirements-dev.lock").read_text(), re.MULTILINE)
    assert len(locked) > 50
    assert NOT_DEPENDED_ON.isdisjoint(locked)


def test_nothing_is_put_into_temporary_folders_or_read_as_code() -> None:
    """CVE-2021-3701: folders that others could guess. CVE-2016-9587, -2024-29202: text of nodes that was evaluated."""
    wrong = {"tempfile", "pickle", "marshal", "shelve", "dill"}
    found = {str(path.relative_to(APP)): imported(tree) & wrong for path, tree in sources()}
    assert {name: names for name, names in found.items() if names} == {}


def test_no_text_is_run_rendered_or_loaded_as_anything_but_data() -> None:
    wrong = {"eval", "exec", "compile_command", "render_template_string", "from_string", "unsafe_load", "full_load"}
    calls = [
        (str(path.relative_to(APP)), getattr(node.func, "attr", getattr(node.func, "id", "")))
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]
    assert [call for call in calls if call[1] in wrong] == []


def test_signatures_are_compared_in_constant_time() -> None:
    """CVE-2022-36885: a webhook's signature was compared letter by letter."""
    text = (APP / "services/hook_payloads.py").read_text()
    tree = ast.parse(text)
    checks = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("_signs_as")
    ]
    assert len(checks) == 3
    compared = [node for check in checks for node in ast.walk(check) if isinstance(node, ast.Compare)]
    assert {type(operator) for node in compared for operator in node.ops} <= {ast.In}
    assert "hmac.compare_digest" in text


def test_what_a_handshake_can_be_cut_short_with_is_not_negotiated() -> None:
    """CVE-2023-48795: ChaCha20 and CBC with encrypt-then-MAC, where the other side knows no strict key exchange."""
    names = " ".join((*CIPHERS, *MACS, *KEY_EXCHANGES))
    assert re.search(r"chacha20|cbc|3des|arcfour|md5|sha1\b|-96|group1-|group14-sha1", names) is None


def test_a_child_is_reached_by_its_own_parent_only(
    app: Flask, admin: FlaskClient, make_node: Callable[..., int], make_project: Callable[..., int]
) -> None:
    """CVE-2021-41111: with the number of one's own project in the address, what another has was read.

    Of the URL map: every address with two numbers, the second of which belongs to another first one.
    """
    first, second = make_node("one"), make_node("two")
    projects = make_project(first, "a"), make_project(second, "b")
    hook = admin.post(f"/api/v1/projects/{projects[1]}/hooks", json={"forge": "github"}).json["id"]
    pin = admin.get(f"/api/v1/nodes/{second}/host-keys").json[0]["id"]
    a_set = admin.post("/api/v1/project-sets", json={"name": "none", "git_url": "https://git.example.com/x.git"}).json[
        "id"
    ]
    places = {"project_id": projects[0], "node_id": first, "hook_id": hook, "host_key_id": pin, "set_id": a_set}
    adapter = app.url_map.bind("localhost")
    tried = 0
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and len(rule.arguments) == 2 and rule.arguments <= places.keys():
            path = adapter.build(rule.endpoint, {name: places[name] for name in rule.arguments})
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                answer = admin.open(path, method=method, json={"branch": "main"} if method == "PATCH" else None)
                assert answer.status_code == 404, (method, path)
                tried += 1
    assert tried >= 12
    assert admin.get(f"/api/v1/projects/{projects[1]}/hooks/{hook}").status_code == 200
    assert len(admin.get(f"/api/v1/nodes/{second}/host-keys").json) == 1
