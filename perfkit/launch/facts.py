"""Facts of host, devices, packages and repository, gathered beside the running script and not before it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..hardware import detect, nvidia
from ..model.records import Collector, Device
from . import git, packages
from .request import Request

T = TypeVar("T")


class Facts:
    """Gathers in a thread; `take` hands the result over once. The script's sources lie in *folder*, where the request does not tell."""

    def __init__(self, request: Request, python: str, folder: Path | None = None) -> None:
        own = Path(request.target).absolute().parent if request.kind == "script" else Path.cwd()
        self._folder = folder or own
        self._python = python
        self._failures: list[str] = []
        self._gathered: dict[str, Any] | None = None
        self._thread = threading.Thread(target=self._gather, name="perfkit-facts", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float = 0.0) -> dict[str, Any]:
        """Fields of RunInfo, or nothing when they are not there yet or have been taken."""
        if timeout_s:
            self._thread.join(timeout_s)
        gathered, self._gathered = self._gathered, None
        return gathered or {}

    def collectors(self) -> list[Collector]:
        """A failed collector when something could not be gathered, else none."""
        return [Collector(name="facts", state="failed", reason=reason) for reason in self._failures]

    def _gather(self) -> None:
        host = self._try("host", detect.host_facts)
        fields = {
            "host": host,
            "devices": self._try("devices", lambda: self._devices(host)),
            "packages": self._try("packages", lambda: packages.versions(self._python)),
            "git": self._try("git", lambda: git.revision(self._folder)),
        }
        self._gathered = {name: value for name, value in fields.items() if value is not None}

    def _devices(self, host: dict[str, Any] | None) -> list[Device]:
        return [*([detect.cpu_device(host)] if host else []), *nvidia.devices()]

    def _try(self, what: str, gather: Callable[[], T]) -> T | None:
        """A fact that cannot be had must not cost the others; why is reported."""
        try:
            return gather()
        except Exception as error:
            self._failures.append(f"{what}: {type(error).__name__}: {error}")
            return None
