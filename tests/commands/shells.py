"""A node without ssh: scripts run by real shells of this machine."""

import os
import re
import select
import subprocess
import time
from dataclasses import dataclass

from app.commands.base import NODE_PATH, Command

NONCE = "0123456789abcdef"
_END = re.compile(rf"\nEND {NONCE} \S+ \S+\n\Z".encode())
SHELLS = ("dash", "bash", "busybox")


@dataclass(frozen=True)
class Result:
    reason: str
    status: int | None
    stdout: bytes
    stderr: bytes

    @property
    def words(self) -> str:
        return self.stderr.decode("utf-8", "replace")


@dataclass(frozen=True)
class Node:
    """Runs a Command's script as sshd would: the script on stdin, which then stays open as its lease."""

    shell: tuple[str, ...]
    path: str
    login: tuple[str, ...] = ()

    def start(self, command: Command) -> subprocess.Popen[bytes]:
        script = command.script(NONCE)
        assert script.count("/bin/sh -c ") == 1
        assert script.count(NODE_PATH) == 1
        script = script.replace("/bin/sh -c ", f"{' '.join(self.shell)} -c ").replace(NODE_PATH, self.path)
        process = subprocess.Popen(
            [*self.login, *self.shell, "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
        )
        assert process.stdin is not None
        process.stdin.write(script.encode())
        process.stdin.flush()
        return process

    def run(self, command: Command) -> Result:
        process = self.start(command)
        try:
            return finish(process)
        finally:
            end(process)


def finish(process: subprocess.Popen[bytes], seconds: float = 60) -> Result:
    """Reads both streams up to the END line, without closing the lease before.

    Not to the end of the streams: busybox's timeout leaves a watcher that holds them for another second.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    streams = {process.stdout: b"", process.stderr: b""}
    deadline = time.monotonic() + seconds
    while not _END.search(streams[process.stdout]):
        ready, _, _ = select.select(streams, [], [], deadline - time.monotonic())
        assert ready, "the command has not ended in time"
        for stream in ready:
            streams[stream] += os.read(stream.fileno(), 65536)
    while select.select([process.stderr], [], [], 0)[0] and (data := os.read(process.stderr.fileno(), 65536)):
        streams[process.stderr] += data
    return _result(streams[process.stdout], streams[process.stderr])


def end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait(90)


def _result(stdout: bytes, stderr: bytes) -> Result:
    head, _, body = stdout.partition(f"BEGIN {NONCE}\n".encode())
    assert not head
    body, mark, tail = body.rpartition(f"\nEND {NONCE} ".encode())
    assert mark, stderr
    reason, status = tail.decode().split()
    errors = stderr.partition(f"BEGIN {NONCE}\n".encode())[2]
    return Result(reason, None if status == "-" else int(status), body, errors)
