"""The demo as a program that uses REST with an API token."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final

_READY_SECONDS: Final = 60
_FINAL: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT"})


class Rest:
    """Raises RuntimeError with the server's own message."""

    def __init__(self, address: str, token: str) -> None:
        self.address, self.token = address, token
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy

    def wait_until_up(self, ensure_alive: Callable[[], None]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            ensure_alive()
            try:
                self._opener.open(f"{self.address}/healthz", timeout=5).close()
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)  # a server that is not up yet tells nobody
            else:
                return
        raise RuntimeError("Bareboat does not answer")

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._ask("POST", path, body or {})

    def follow(self, job: dict[str, Any], show: Callable[[str], None]) -> dict[str, Any]:
        """The job at its end; `show` gets every new step of its progress."""
        shown = ""
        while True:
            job = self.get(f"/jobs/{job['id']}")
            step = " ".join(
                str(job["progress"][name]) for name in ("phase", "percent") if job["progress"][name] is not None
            )
            if step and step != shown:
                show(step)
                shown = step
            if job["state"] in _FINAL:
                return job
            time.sleep(0.1)  # REST is asked, it does not call

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own address on loopback
            f"{self.address}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error
