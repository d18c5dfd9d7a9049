"""Sinks from what a person writes: ``"stderr"``, ``"file:alerts.jsonl"``, ``"https://…"``, or a table with the details."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ....errors import UsageError
from . import Sink
from .command import TIMEOUT_S as COMMAND_TIMEOUT_S
from .command import Command
from .file import File
from .stderr import Stderr
from .webhook import TIMEOUT_S as WEBHOOK_TIMEOUT_S
from .webhook import Webhook

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_FORMS = '"stderr", "file:PATH", "https://…", {file = "…"}, {webhook = "…", headers = {…}, timeout_s = 10} or {command = ["…"]}'
_KEYS: dict[str, set[str]] = {
    "file": {"file", "per_minute"},
    "webhook": {"webhook", "headers", "timeout_s", "per_minute"},
    "command": {"command", "timeout_s", "per_minute"},
}


def sink(
    spec: str | Mapping[str, Any],
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    where: str = "sink",
) -> Sink:
    """The sink that *spec* means. Relative paths are below *folder*; ``${NAME}`` in a webhook's address and headers is the variable's value.

    Raises UsageError that begins with *where*. It shows nothing of an address or header.
    """
    try:
        return _made(spec, folder, os.environ if environ is None else environ)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _made(spec: object, folder: Path | None, environ: Mapping[str, str]) -> Sink:
    if isinstance(spec, str):
        kind, colon, rest = spec.partition(":")
        if spec == "stderr":
            return Stderr()
        if kind in ("http", "https"):
            kind, rest = "webhook", spec
        if not colon or kind not in ("file", "webhook") or not rest:
            raise UsageError(f"{_shown(kind)} is no kind of sink; write {_FORMS}")
        spec = {kind: rest}
    if not isinstance(spec, Mapping):
        raise UsageError(f"a sink is a string or a table; write {_FORMS}")
    kinds = [kind for kind in _KEYS if kind in spec]
    if len(kinds) != 1:
        raise UsageError(f"a sink has one of {', '.join(_KEYS)}; write {_FORMS}")
    if unknown := sorted(map(str, set(spec) - _KEYS[kinds[0]])):
        known = ", ".join(sorted(_KEYS[kinds[0]]))
        raise UsageError(f"{', '.join(unknown)} is no part of a {kinds[0]} sink; there are: {known}")
    makers: dict[str, Callable[[], Sink]] = {
        "file": lambda: _file(spec, folder), "webhook": lambda: _webhook(spec, environ), "command": lambda: _command(spec),
    }  # fmt: skip
    made = makers[kinds[0]]()
    if "per_minute" in spec:
        made.per_minute = _positive(spec["per_minute"], "per_minute")
    return made


def _file(spec: Mapping[str, Any], folder: Path | None) -> File:
    path = Path(_text(spec["file"], "file")).expanduser()
    return File((folder or Path.cwd()) / path)


def _webhook(spec: Mapping[str, Any], environ: Mapping[str, str]) -> Webhook:
    headers = spec.get("headers", {})
    if not isinstance(headers, Mapping):
        raise UsageError('headers are a table: headers = {Authorization = "Bearer ${TOKEN}"}')
    return Webhook(
        _filled(_text(spec["webhook"], "webhook"), environ),
        headers={str(name): _filled(_text(value, f"header {name}"), environ) for name, value in headers.items()},
        timeout_s=_positive(spec.get("timeout_s", WEBHOOK_TIMEOUT_S), "timeout_s"),
    )


def _command(spec: Mapping[str, Any]) -> Command:
    argv = spec["command"]
    if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
        raise UsageError('command is a list of strings: command = ["notify-send", "perfkit"]')
    return Command(argv, timeout_s=_positive(spec.get("timeout_s", COMMAND_TIMEOUT_S), "timeout_s"))


def _filled(text: str, environ: Mapping[str, str]) -> str:
    for name in _VARIABLE.findall(text):
        if not environ.get(name):
            raise UsageError(f"the variable {name} is not set; export it, its value is kept nowhere")
    return _VARIABLE.sub(lambda found: environ[found.group(1)], text)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{what} must be a text in quotes")
    return value


def _positive(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise UsageError(f"{what} must be a number above 0")
    return float(value)


def _shown(word: str) -> str:
    """A kind that is not known; of what may be a secret nothing."""
    return repr(word) if re.fullmatch(r"[a-z-]{1,20}", word) else "that"
