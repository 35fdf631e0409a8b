"""Real SSH servers on loopback for tests: OpenSSH's sshd and dropbear, each with its own folder, keys and log."""

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from app.secrets import Secret
from app.ssh.hostkeys import HostKeyLine, parse_host_key
from app.ssh.target import Limits, Target
from tests.support.ports import free_port

PATIENT_LIMITS = Limits(resolve=60, connect=60, banner=60, auth=60, deadline=120)
_TRIES = 5


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A login key: `private` in OpenSSH text, `public` as one authorized_keys line."""

    private: Secret
    public: str
    fingerprint: str


def make_keypair(folder: Path, type_: str = "ed25519", *options: str) -> KeyPair:
    path = folder / f"login-{type_}-{os.urandom(4).hex()}"
    options = options or (("-b", "2048") if type_ == "rsa" else ())
    subprocess.run(["ssh-keygen", "-q", "-t", type_, *options, "-N", "", "-f", path, "-C", "test"], check=True)
    public = path.with_suffix(".pub").read_text().strip()
    return KeyPair(Secret(path.read_text()), public, fingerprint_of(path))


def fingerprint_of(path: Path) -> str:
    shown = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True).stdout
    return shown.split()[1]


class Server:
    """What OpenSSH and dropbear have in common: a port of their own, a log, authorized keys, a pinned Target."""

    def __init__(self, folder: Path, keypair: KeyPair, key_types: Sequence[str] = ("ed25519",)) -> None:
        self.folder = folder
        self.keypair = keypair
        self.key_types = tuple(key_types)
        self.log_path = folder / "log"
        self.port = 0
        self.address = "127.0.0.1"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.authorize(keypair)

    def authorize(self, *keypairs: KeyPair, options: str = "") -> None:
        """Replace the authorized keys; `options` go before each (`command="…"`)."""
        lines = [f"{options} {pair.public}".strip() + "\n" for pair in keypairs]
        path = self.folder / "authorized_keys"
        path.write_text("".join(lines))
        path.chmod(0o600)

    def start(self) -> Self:
        for _ in range(_TRIES):
            self.port = self.port or free_port()
            self._process = self._spawn()
            if self._is_ready():
                return self
            self.stop()
            self.port = 0  # somebody else was quicker
        raise RuntimeError(f"{type(self).__name__} does not start:\n{self.log()}")

    def stop(self) -> None:
        """End the listener and every session, by process id."""
        if self._process is None:
            return
        for pid in [*self.sessions(), self._process.pid]:
            _signal(pid, signal.SIGKILL)
        self._process.wait(10)
        self._process = None

    def restart_with(self, key_types: Sequence[str]) -> None:
        """The same address with other host keys (new ones, also for a type it had before)."""
        self.stop()
        self.key_types = tuple(key_types)
        for path in self.folder.glob("host_*"):
            path.unlink()
        self.start()

    @property
    def pid(self) -> int:
        """Of the listener."""
        assert self._process is not None
        return self._process.pid

    def sessions(self) -> list[int]:
        """Process ids below the listener, children before their parents."""
        return _descendants(self._process.pid) if self._process else []

    def session_daemons(self) -> list[int]:
        """Process ids of the server's own processes for open sessions, without what runs in them."""
        return [pid for pid in self.sessions() if _name(pid).startswith(("sshd", "dropbear"))]

    def signal_daemons(self, number: int) -> None:
        for pid in self.session_daemons():
            _signal(pid, number)

    def host_keys(self) -> list[HostKeyLine]:
        return [parse_host_key(" ".join(self._public(type_).split()[:2])) for type_ in self.key_types]

    def target(self, **changes: object) -> Target:
        """A Target that is pinned to all of this server's host keys; `changes` replace fields."""
        target = Target(
            name="node",
            hostname=self.address,
            port=self.port,
            user=getpass.getuser(),
            private_key=self.keypair.private,
            key_fingerprint=self.keypair.fingerprint,
            host_keys=tuple(str(key) for key in self.host_keys()),
            limits=PATIENT_LIMITS,
        )
        return replace(target, **changes)  # type: ignore[arg-type]

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        raise NotImplementedError

    def _public(self, type_: str) -> str:
        raise NotImplementedError

    def _is_ready(self) -> bool:
        assert self._process is not None
        for _ in range(500):
            if self._process.poll() is not None:
                return False
            try:
                with socket.create_connection((self.address, self.port), 5) as sock:
                    return sock.recv(4) == b"SSH-"
            except ConnectionRefusedError:
                time.sleep(0.01)  # nothing announces that a listener is there
        return False


class SshdServer(Server):
    """OpenSSH. `extra` are lines of sshd_config that go before ours (the first counts).

    Sessions have a HOME of their own, so that start files and git settings of whoever runs the tests play no part
    (Debian's bash reads `.bashrc` for every command).
    """

    def __init__(
        self, folder: Path, keypair: KeyPair, key_types: Sequence[str] = ("ed25519",), *, extra: Sequence[str] = ()
    ) -> None:
        super().__init__(folder, keypair, key_types)
        self.extra = tuple(extra)
        self.prefix: tuple[str, ...] = ()
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)

    def connections(self) -> int:
        """How many TCP connections were made so far, the one that waited for readiness excepted."""
        return len(re.findall(r"^Connection from ", self.log(), re.MULTILINE)) - 1

    def login_attempts(self) -> int:
        return len(re.findall(r"userauth-request for user", self.log()))

    def _spawn(self) -> "subprocess.Popen[bytes]":
        program = _program("sshd")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text("\n".join([*self.extra, *self._lines(program)]) + "\n")
        self.log_path.write_text("")
        words = [*self.prefix, program, "-D", "-f", str(config), "-E", str(self.log_path)]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL)

    def _lines(self, program: str) -> list[str]:
        for type_ in self.key_types:
            self._ensure_key(type_)
        lines = [
            f"ListenAddress {self.address}:{self.port}",
            *(f"HostKey {self.folder}/host_{type_}" for type_ in self.key_types),
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            f"SetEnv HOME={self.home}",
            "UseDNS no",
            "PrintMotd no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "MaxStartups 200",
            "MaxSessions 10",
            "LogLevel DEBUG1",
            "Subsystem sftp internal-sftp",
        ]
        return lines + (["PerSourcePenalties no"] if _version(program) >= (9, 8) else [])

    def _ensure_key(self, type_: str) -> None:
        path = self.folder / f"host_{type_}"
        if not path.exists():
            bits = ["-b", "2048"] if type_ == "rsa" else []
            subprocess.run(["ssh-keygen", "-q", "-t", type_, *bits, "-N", "", "-f", path, "-C", "node"], check=True)

    def _public(self, type_: str) -> str:
        return (self.folder / f"host_{type_}.pub").read_text()


class DropbearServer(Server):
    """dropbear. Before 2024.84 it has no option for the folder of authorized_keys, so there it gets a mount namespace
    of its own in which `~/.ssh` is our folder (needs root)."""

    def _spawn(self) -> "subprocess.Popen[bytes]":
        keys = [word for type_ in self.key_types for word in ("-r", self._ensure_key(type_))]
        words = ["-F", "-E", "-s", *keys, "-P", str(self.folder / "pid"), "-p", f"127.0.0.1:{self.port}"]
        with self.log_path.open("wb") as log:
            return subprocess.Popen(self._start_words() + words, stdin=subprocess.DEVNULL, stderr=log)

    def _start_words(self) -> list[str]:
        program = _program("dropbear")
        usage = subprocess.run([program, "-h"], capture_output=True, text=True)
        if re.search(r"^-D ", usage.stderr + usage.stdout, re.MULTILINE):
            return [program, "-D", str(self.folder)]
        home = Path.home() / ".ssh"
        home.mkdir(mode=0o700, exist_ok=True)
        script = 'mount --bind "$1" "$2"; shift 2; exec "$@"'
        return ["unshare", "-m", "sh", "-ec", script, "sh", str(self.folder), str(home), program]

    def _ensure_key(self, type_: str) -> str:
        path = self.folder / f"host_{type_}"
        if not path.exists():
            subprocess.run([_program("dropbearkey"), "-t", type_, "-f", path], check=True, capture_output=True)
        return str(path)

    def _public(self, type_: str) -> str:
        shown = subprocess.run(
            [_program("dropbearkey"), "-y", "-f", self.folder / f"host_{type_}"], check=True, capture_output=True
        )
        return next(line for line in shown.stdout.decode().splitlines() if " AAAA" in line)


def _program(name: str) -> str:
    """Absolute, because sshd starts itself again for each connection."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not installed; the tests of this folder need it")
    return found


def _version(program: str) -> tuple[int, int]:
    shown = subprocess.run([program, "-V"], capture_output=True, text=True)
    match = re.search(r"OpenSSH_(\d+)\.(\d+)", shown.stderr + shown.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return [found for child in children for found in [*_descendants(child), child]]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
