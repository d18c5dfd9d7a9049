"""Settings that do not come from the command line: ``PERFKIT_*`` variables and ``[tool.perfkit]`` in
pyproject.toml.

The order is flag > ``PERFKIT_*`` > ``[tool.perfkit]`` > default, everywhere. Paths in pyproject.toml are
relative to the folder it lies in, paths elsewhere to the current directory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ROOT = ".perfkit"
RESULTS_VARIABLE = "PERFKIT_RESULTS"


@dataclass(frozen=True, kw_only=True)
class Root:
    """Where runs are kept, and what said so."""

    path: Path
    source: str


@dataclass(frozen=True, kw_only=True)
class ProjectSettings:
    """The ``[tool.perfkit]`` table nearest above a folder; empty, with no file, when there is none."""

    file: Path | None
    values: dict[str, Any]


def project_settings(start: Path | None = None) -> ProjectSettings:
    """The nearest pyproject.toml at or above *start* (default: the current directory) decides, with or
    without a table.

    Raises UsageError when that file cannot be parsed or its table is not one.
    """
    for folder in _upwards(start):
        file = folder / "pyproject.toml"
        if file.is_file():
            return ProjectSettings(file=file, values=_table(file))
    return ProjectSettings(file=None, values={})


def results_root(
    flag: str | Path | None = None, *, start: Path | None = None, environ: Mapping[str, str] | None = None
) -> Root:
    """Where runs are kept: ``--results-dir`` > ``PERFKIT_RESULTS`` > ``[tool.perfkit] results`` >
    ``./.perfkit``.
    """
    if flag:
        return Root(path=Path(flag).expanduser().absolute(), source="--results-dir")
    variable = (os.environ if environ is None else environ).get(RESULTS_VARIABLE)
    if variable:
        return Root(path=Path(variable).expanduser().absolute(), source=RESULTS_VARIABLE)
    project = project_settings(start)
    named = project.values.get("results")
    if named is not None and project.file is not None:
        if not isinstance(named, str) or not named:
            raise UsageError(f"{project.file}: [tool.perfkit] results must be the path of a folder, in quotes")
        return Root(path=project.file.parent / Path(named).expanduser(), source=str(project.file))
    return Root(path=(start or _here()) / DEFAULT_ROOT, source="default")


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the current directory no longer exists; change to another one") from None


def _upwards(start: Path | None) -> list[Path]:
    folder = (start or _here()).absolute()
    return [folder, *folder.parents]


def _table(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: {error}; mend the file or say --results-dir") from error
    table = tool.get("perfkit", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{file}: [tool.perfkit] must be a table")
    return table
