"""`perfkit import FILE`: a run of a trace that anyone recorded, or of a bundle from another machine."""

from __future__ import annotations

import re
from pathlib import Path

import click

from . import options

_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_TIME = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(s|ms|us|µs|)")


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option(
    "--step-time", metavar="TIME", help="Step time without the profiler, such as 31.6ms: corrects the shares."
)
@options.results_dir
def command(file: str, step_time: str | None, results_dir: str | None) -> None:
    """Make a run of FILE: a Kineto trace (.json, as torch.profiler exports it), an XPlane trace (.xplane.pb, as tf.profiler and
    jax.profiler write it), either also gzipped, or a bundle.

    A trace shows the step under the profiler, which is slower where the host sets the pace. Give --step-time and the
    device shares are those of the step as it really is.
    """
    from ..runs import settings

    path = Path(file).expanduser()
    seconds = step_seconds(step_time) if step_time is not None else None
    root = settings.results_root(results_dir).path
    run = _bundle(path, root, step_time) if _is_bundle(path) else _trace(path, root, seconds)
    click.echo(f"{run}")
    click.echo("next: perfkit report", err=True)


def step_seconds(text: str) -> float:
    """``31.6ms``, ``0.0316``, ``31600us`` in seconds. Raises UsageError."""
    from ..errors import UsageError

    matched = _TIME.fullmatch(text.strip())
    seconds = float(matched[1]) * _UNITS[matched[2]] if matched else 0.0
    if not 0 < seconds < 86400:
        raise UsageError(f"--step-time {text!r} is not a step's time; write one such as 31.6ms or 0.0316")
    return seconds


def _is_bundle(path: Path) -> bool:
    from ..runs import bundle

    return path.is_file() and bundle.is_bundle(path)


def _bundle(path: Path, root: Path, step_time: str | None) -> Path:
    from ..errors import UsageError
    from ..runs import bundle

    if step_time is not None:
        raise UsageError("--step-time is for traces; a bundle holds its own unprofiled steps")
    return bundle.unpack(path, root)


def _trace(path: Path, root: Path, step_time_s: float | None) -> Path:
    from ..trace.importer import import_trace

    made = import_trace(path, root, step_time_s=step_time_s)
    events = len(made.trace.events)
    click.echo(f"{path.name}: {events:,} events" + (f", rank {made.rank}" if made.rank else ""), err=True)
    for problem in made.trace.problems:
        click.echo(f"perfkit: {path.name}: {problem}", err=True)
    return made.path
