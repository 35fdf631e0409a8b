"""PinnedConnection: the one subclass of fabric.Connection: Fabric's tools over a Login, for who wants them.

Fabric's own objects cost half a millisecond and 30 KiB for each connection, so they are made where they are used.
"""

import fabric
import paramiko

from app.ssh.hardening import PinnedClient
from app.ssh.login import Login
from app.ssh.target import Target


class PinnedConnection(fabric.Connection):
    """Opens as a Login does, and in no other way. With `login` it is a face of one that may be open already."""

    # Fabric takes attributes that the class does not have for settings.
    _login: Login

    def __init__(self, target: Target, login: Login | None = None) -> None:
        super().__init__(target.hostname, user=target.user, port=target.port, config=_settings())
        self.client = PinnedClient()
        self._login = login or Login(target)
        self._carry()

    def open(self) -> None:
        """All within `limits.deadline`. Raises NodeError, UnreadableKey."""
        self._login.open()
        self._carry()

    def close(self) -> None:
        """Also ends an `open` that is under way in another thread."""
        super().close()
        self._login.close()

    def _carry(self) -> None:
        if self._login.is_connected:
            self.transport = self._login.transport
            self.client.carry(self.transport)


def _settings() -> fabric.Config:
    """A fresh one per connection (shared ones fail between threads), and none of it from files or the environment."""
    return fabric.Config(ssh_config=paramiko.SSHConfig(), lazy=True)
