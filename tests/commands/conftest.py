"""Nodes for tests of what we say to them."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from app.commands.base import NODE_PATH
from tests.commands import acts
from tests.commands.shells import SHELLS, Node
from tests.support.forge import Forge

# A busy machine is no reason to fail.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# What a node with busybox brings; git and what it calls come from the machine.
_BUSYBOX_LACKS = ("git", "getent", "ssh")


@pytest.fixture(scope="session")
def busybox_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH where every tool but git is busybox."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    folder = tmp_path_factory.mktemp("busybox")
    subprocess.run([busybox, "--install", "-s", str(folder)], check=True)
    for name in _BUSYBOX_LACKS:
        if where := shutil.which(name):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(where)
    return str(folder)


@pytest.fixture
def dash() -> Node:
    return Node(("/bin/sh",), NODE_PATH)


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest) -> Node:
    if request.param == "busybox":
        return Node((shutil.which("busybox") or "", "sh"), request.getfixturevalue("busybox_path"))
    return Node((shutil.which(request.param) or "/bin/sh",), NODE_PATH)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "projects"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def cloned(dash: Node, root: Path, forge: Forge) -> Path:
    acts.outcome(dash.run(acts.make_clone(root, forge)))
    return root / "app"
