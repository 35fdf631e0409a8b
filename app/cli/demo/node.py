"""The demo's node: an sshd of the current user on a free port of loopback, with host keys of its own."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from app.cli.demo.processes import Processes

SBIN: Final = "/usr/sbin:/usr/local/sbin:/sbin"
_PRIVILEGE_FOLDER: Final = Path("/run/sshd")
_READY_SECONDS: Final = 20
_CONFIG: Final = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM {pam}
StrictModes no
UseDNS no
PrintMotd no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
X11Forwarding no
AllowTcpForwarding no
MaxStartups 100
"""


class DemoNode:
    """`start` makes host key and configuration; `authorize` lets Bareboat's key in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.projects_root = folder / "projects"
        self.user = getpass.getuser()
        self.port = 0
        self._made_privilege_folder = False

    @property
    def host_key(self) -> str:
        """`type base64`, read from the node's own file: the way in which no network is trusted."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def start(self, processes: Processes, port: int) -> None:
        self.projects_root.mkdir(parents=True, mode=0o755)
        self.port = port
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo node", "-f", str(self.folder / "host_key"))
        self._make_privilege_folder()
        config = self.folder / "sshd_config"
        config.write_text(_CONFIG.format(port=port, folder=self.folder, pam="yes" if _is_root_locked() else "no"))
        # Absolute: sshd starts itself again for each connection.
        processes.start("sshd", [find_program("sshd") or "sshd", "-D", "-e", "-f", config])
        _wait_for_greeting(port)

    def authorize(self, public_key: str) -> None:
        path = self.folder / "authorized_keys"
        path.write_text(public_key + "\n")
        path.chmod(0o600)

    def clear(self) -> None:
        if self._made_privilege_folder:
            _PRIVILEGE_FOLDER.rmdir()

    def _make_privilege_folder(self) -> None:
        if os.geteuid() == 0 and not _PRIVILEGE_FOLDER.exists():
            _PRIVILEGE_FOLDER.mkdir(mode=0o755)
            self._made_privilege_folder = True


def find_program(name: str) -> str | None:
    """sshd is often outside a user's PATH."""
    return shutil.which(name) or shutil.which(name, path=SBIN)


def free_port(wanted: int = 0) -> int | None:
    """`wanted` itself (0: any) when nobody listens there now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError:
            return None
        return int(listener.getsockname()[1])


def _is_root_locked() -> bool:
    """Without PAM sshd lets nobody in whose password is locked, by a key neither (Ubuntu's root)."""
    if os.geteuid() != 0:
        return False
    lines = Path("/etc/shadow").read_text().splitlines() if Path("/etc/shadow").exists() else []
    return any(line.startswith("root:!") for line in lines)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - constant programs of the demo


def _wait_for_greeting(port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)  # sshd does not tell when it listens
    raise RuntimeError("sshd does not answer")
