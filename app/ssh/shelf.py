"""Shelf: the persistent shells of one connection that are free, and how many it may have."""

import threading
from collections.abc import Callable
from typing import Final

from app.commands.base import Command
from app.ssh.hardening import HardenedTransport
from app.ssh.process import NotStarted, SessionRefused
from app.ssh.shell import Shell, ShellBroken
from app.ssh.watch import Result, Watch

MAX_SHELLS: Final = 2  # with the eight channels of a link they make up sshd's ten (MaxSessions)


class Shelf:
    """Safe for threads. Shells end with their connection; nothing else need be closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Shell] = []
        self._count = 0
        self._most = MAX_SHELLS

    def read(self, transport: HardenedTransport, who: str, command: Command, watch: Watch) -> Result | None:
        """None: no shell is free, or the one that was did not prove an end; the command may be read in another way."""
        try:
            shell = self._take(transport, who)
        except (NotStarted, ShellBroken, SessionRefused):
            return None
        if shell is None:
            return None
        try:
            return shell.run(command, watch)
        except ShellBroken:
            if not shell.has_begun:
                self._most = 0  # not for this connection
            return None
        finally:
            self._put_back(shell)

    def give_way(self) -> bool:
        """Close what is free, for a node that takes few sessions, and open no more. False: there was nothing."""
        with self._lock:
            self._most = 0
        return self._close(lambda shell: True)

    def tidy(self) -> None:
        self._close(lambda shell: shell.is_worn)

    def _take(self, transport: HardenedTransport, who: str) -> Shell | None:
        self.tidy()
        with self._lock:
            if self._free:
                return self._free.pop()
            if self._count >= self._most:
                return None
            self._count += 1
        try:
            return Shell.open(transport, who)
        except BaseException as error:
            with self._lock:
                self._count -= 1
                if isinstance(error, SessionRefused | ShellBroken):
                    self._most = 0  # not for this connection
            raise

    def _put_back(self, shell: Shell) -> None:
        if shell.is_worn:
            shell.close()
        with self._lock:
            if shell.is_worn:
                self._count -= 1
            else:
                self._free.append(shell)

    def _close(self, is_meant: Callable[[Shell], bool]) -> bool:
        with self._lock:
            closing = [shell for shell in self._free if is_meant(shell)]
            self._free = [shell for shell in self._free if shell not in closing]
            self._count -= len(closing)
        for shell in closing:
            shell.close()
        return bool(closing)
