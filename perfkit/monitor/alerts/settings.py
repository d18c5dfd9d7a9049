"""Rules and sinks from ``[tool.perfkit.monitor]`` in pyproject.toml, or from a TOML file of one's own with the same keys at its top.

::

    [tool.perfkit.monitor]
    alerts = ["val/loss > 2.5 for 60s clear 2.3 severity critical", "no val/loss for 30m"]
    default_alerts = true      # the built-in rules beside them (`alerts.defaults`)
    sinks = ["stderr", "file:alerts.jsonl", {webhook = "${ALERT_URL}", headers = {Authorization = "Bearer ${ALERT_TOKEN}"}}]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...runs.settings import project_settings
from .defaults import default_rules
from .grammar import parse
from .rules import Rule
from .sinks import Sink
from .sinks.named import sink
from .sinks.stderr import Stderr

ALERTS, DEFAULTS, SINKS = "alerts", "default_alerts", "sinks"
_TABLE = "[tool.perfkit.monitor]"


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """What is asked for."""

    rules: list[Rule]
    sinks: list[Sink]
    #: The file that says so; None where none does.
    file: Path | None = None


def load(
    file: Path | None = None, *, start: Path | None = None, environ: Mapping[str, str] | None = None
) -> AlertSettings:
    """Rules and sinks of *file*, or of the pyproject.toml nearest to *start*; without any: the built-in rules, told on stderr.

    Raises UsageError that names the file, the key and the next step. A rule of one's own replaces the built-in one of its name.
    """
    if file is not None:
        table, where = _own(file), str(file)
    else:
        project = project_settings(start)
        file, where = project.file, f"{project.file}: {_TABLE}"
        found = project.values.get("monitor", {})
        if not isinstance(found, dict):
            raise UsageError(f"{where} must be a table")
        table = found
    folder = file.absolute().parent if file else None
    return AlertSettings(
        rules=rules_of(table, where), sinks=sinks_of(table, where, folder, environ=environ), file=file if table else None
    )  # fmt: skip


def rules_of(table: Mapping[str, Any], where: str, *, flags: Sequence[str] = ()) -> list[Rule]:
    """Rules of *flags*, then of the *table* that lies at *where*, then the built-in ones; of two with one name the earlier kind holds.

    Raises UsageError, also where a table has one name twice.
    """
    asked = _parsed(("--alert", text) for text in flags)
    own = _parsed((f"{where} {ALERTS}[{number}]", text) for number, text in _listed(table, ALERTS, where))
    wanted = table.get(DEFAULTS, True)
    if not isinstance(wanted, bool):
        raise UsageError(f"{where} {DEFAULTS} must be true or false")
    defaults = {rule.name: rule for rule in default_rules() if wanted}
    found: dict[str, Rule] = {}
    for rules in (asked, own, defaults):
        found |= {name: rule for name, rule in rules.items() if name not in found}
    return list(found.values())


def sinks_of(
    table: Mapping[str, Any],
    where: str,
    folder: Path | None,
    *,
    flags: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> list[Sink]:
    """Sinks of the *table* that lies at *where* (its paths are below *folder*) and of *flags*; stderr where neither names one.

    Raises UsageError.
    """
    found = [
        sink(spec, folder=folder, environ=environ, where=f"{where} {SINKS}[{number}]")
        for number, spec in _listed(table, SINKS, where)
    ]
    found += [sink(text, environ=environ, where="--sink") for text in flags]
    return found if found or SINKS in table else [Stderr()]


def _parsed(texts: Iterable[tuple[str, object]]) -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    for place, text in texts:
        if not isinstance(text, str):
            raise UsageError(f"{place}: an alert is a text such as 'val/loss > 2.5 for 60s'; put it in quotes")
        rule = parse(text, where=place)
        if rule.name in found:
            raise UsageError(
                f"{place}: there is an alert {rule.name!r} already; put another name and a colon before it"
            )
        found[rule.name] = rule
    return found


def _listed(table: Mapping[str, Any], key: str, where: str) -> list[tuple[int, Any]]:
    """The list under *key*, each with its number from 1."""
    found = table.get(key, [])
    if not isinstance(found, list):
        raise UsageError(f"{where} {key} must be a list: {key} = [ … ]")
    return list(enumerate(found, start=1))


def _own(file: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; give the TOML file that has the alerts") from error
    except ValueError as error:
        raise UsageError(f"{file}: {error}; mend the file") from error
    table: object = found
    for part in ("tool", "perfkit", "monitor"):  # a pyproject.toml given by name
        if isinstance(table, dict) and "tool" in found:
            table = table.get(part, {})
    if not isinstance(table, dict):
        raise UsageError(f"{file}: {_TABLE} must be a table")
    if "tool" not in found and (unknown := sorted(set(table) - {ALERTS, DEFAULTS, SINKS})):
        raise UsageError(f"{file}: {', '.join(unknown)} is not known; there are: {ALERTS}, {DEFAULTS}, {SINKS}")
    return table
