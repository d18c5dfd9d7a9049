"""The wiring, once: what `import perfkit` offers and what every verb calls.

Nothing here prints or exits; errors are those of `perfkit.errors`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from .advise.evidence import Evidence
    from .compare.price import Price
    from .launch.block import Block
    from .launch.request import Kind, Outcome, Request
    from .model.records import Fix
    from .monitor.live.session import Monitored
    from .monitor.live.standing import Standing
    from .runs.reader import Run
    from .runs.store import Store
    from .tune.session import Asked


#: What `perfkit.profile` takes besides ``results_dir`` and ``stacks``.
BLOCK_OPTIONS = {"trace_steps", "no_trace", "trace_at", "steps", "seconds"}


def store(results_dir: str | Path | None = None) -> Store:
    """The runs kept in *results_dir*, or where the settings say."""
    from .runs.settings import results_root
    from .runs.store import Store

    return Store(results_root(results_dir).path)


def load(run: str | Path | None = None, *, results_dir: str | Path | None = None) -> Run:
    """The run that *run* means: a path, an id, a unique prefix, or ``latest`` (also None). Raises
    RunNotFound.
    """
    from .runs.reader import Run

    return Run(store(results_dir).resolve(str(run) if run is not None else None))


def evidence(run: Run) -> Evidence:
    """Everything that is known about *run*, computed when asked for."""
    from .advise.evidence import Evidence

    return Evidence(run)


def document(run: Run) -> dict[str, Any]:
    """The document of *run* (docs/json.md) as plain data."""
    from .advise.registry import advise
    from .report.document import compose

    known = evidence(run)
    return compose(known, advise(known))


def compare_runs(runs: Sequence[Run], *, prices: Sequence[Price] = (), group: bool = False) -> dict[str, Any]:
    """The document that sets *runs*, at least two, beside the first of them (docs/compare.md): figures, and the difference by cause.

    *prices* (perfkit.compare.price) make costs of times; with *group* runs of one configuration are one side, whose scatter is its
    uncertainty. Raises UsageError for fewer than two sides.
    """
    from .compare.document import compare

    return compare([compared_document(run) for run in runs], prices=prices, group=group)


def project_run(
    run: Run,
    on: Sequence[str],
    *,
    batch: str | None = None,
    dtype: str | None = None,
    compiled: bool | None = None,
    origin: str | Path | None = None,
) -> dict[str, Any]:
    """What the step of *run* would take *on* other devices (names of the catalogue, or files of a calibration), or under other settings
    (docs/projection.md).

    *batch* is a number of samples per step or a factor, as ``x4``; *origin* the calibration of the run's own machine. Raises UsageError
    where the run cannot be moved.
    """
    from .compare.projection import document, targets

    known = evidence(run)
    settings = document.settings(known, batch=batch, dtype=dtype, compiled=compiled)
    here = targets.origin(known, Path(origin) if origin else None)
    return document.document(known, targets.targets(on), settings, origin=here)


def compared_document(run: Run) -> dict[str, Any]:
    """The document of *run* with what a comparison needs besides under ``settings``: what the run was set to."""
    from .advise.registry import advise
    from .compare.settings import settings
    from .report.document import compose

    known = evidence(run)
    return {**compose(known, advise(known)), "settings": settings(known)}


def profile_command(
    kind: Kind,
    target: str,
    args: tuple[str, ...] = (),
    *,
    results_dir: str | Path | None = None,
    python: str | None = None,
    stacks: bool = True,
    verbose: bool = False,
    announce: Callable[[str], None] = lambda _line: None,
    fixes: tuple[Fix, ...] = (),
    **options: Any,
) -> Outcome:
    """Run and record a script, module or command to its end, with *fixes* applied from inside. Options that are None are not
    given to the guest.
    """
    from .launch.supervise import profile

    more = {"stacks": stacks, "verbose": verbose, "fixes": fixes}
    return profile(_request(kind, target, args, results_dir, python, options, **more), announce=announce)


def tune_command(
    kind: Kind,
    target: str,
    args: tuple[str, ...] = (),
    *,
    results_dir: str | Path | None = None,
    python: str | None = None,
    asked: Asked | None = None,
    say: Callable[[str], None] = lambda _line: None,
    **options: Any,
) -> dict[str, Any]:
    """Try fixes on a script, module or command without changing it, and measure each (see docs/tune.md). Returns the document.

    *asked* says what to try and for how long, *say* gets lines of progress. Call it in the main thread. Raises PerfkitError when
    the unchanged command cannot be measured.
    """
    from .tune.session import Asked, tune

    request = _request(kind, target, args, results_dir, python, options, stacks=False)
    return tune(request, asked or Asked(), say=say)


def attach(
    pid: int,
    *,
    seconds: float | None = None,
    results_dir: str | Path | None = None,
    stacks: bool = True,
    announce: Callable[[str], None] = lambda _line: None,
) -> Outcome:
    """Watch a process that runs already for *seconds* (default 30): processor, memory, GPUs and Python stacks, from outside.

    Raises UsageError where there is no such process.
    """
    from .launch import attach as attaching
    from .runs.settings import results_root

    root = results_root(results_dir).path
    wanted = attaching.DEFAULT_SECONDS if seconds is None else seconds
    return attaching.attach(attaching.target(pid), root, seconds=wanted, stacks=stacks, announce=announce)


def monitor_command(
    kind: Kind,
    target: str,
    args: tuple[str, ...] = (),
    *,
    results_dir: str | Path | None = None,
    python: str | None = None,
    alerts: Sequence[str] = (),
    sinks: Sequence[str] = (),
    hang_after_s: float | None = None,
    total_steps: int | None = None,
    total_epochs: int | None = None,
    detect: bool = True,
    log_files: Sequence[Path] = (),
    tee: bool = False,
    baseline: str | None = None,
    stacks: bool = False,
    verbose: bool = False,
    announce: Callable[[str], None] = lambda _line: None,
    **options: Any,
) -> Monitored:
    """Run a script, module or command to its end, watch its metrics, speed and health, and record them (see docs/monitor-run.md).

    *alerts* and *sinks* are added to those of ``[tool.perfkit.monitor]``. *baseline* is a monitored run that this one is held against, step
    by step. Call it in the main thread. Raises UsageError for what cannot be meant, before anything runs.
    """
    from .monitor.live.asked import asked
    from .monitor.live.session import monitor
    from .runs.settings import project_settings

    wanted = asked(
        project_settings(),
        alerts=alerts,
        sinks=sinks,
        hang_after_s=hang_after_s,
        total_steps=total_steps,
        total_epochs=total_epochs,
        detect=detect,
        log_files=log_files,
        tee=tee,
        baseline=baseline,
        store=store(results_dir),
    )
    request = _request(kind, target, args, results_dir, python, options, stacks=stacks, verbose=verbose)
    return monitor(request, wanted, announce=announce)


def monitor_standing(run: Run) -> Standing:
    """How a monitored *run* stands: its state, last step, expected end and the alerts that fire. Raises RunError."""
    from .monitor.live.standing import standing

    return standing(run)


def _request(
    kind: Kind,
    target: str,
    args: tuple[str, ...],
    results_dir: str | Path | None,
    python: str | None,
    options: dict[str, Any],
    **more: Any,
) -> Request:
    from .launch.request import Request
    from .runs.settings import results_root

    given = {key: value for key, value in options.items() if value is not None}
    root = results_root(results_dir).path
    return Request(kind=kind, target=target, args=args, results_root=root, python=python, options=given, **more)


def request_trace(run: Run, *, wait_s: float = 120.0) -> Path:
    """Ask a running *run* for one more trace window and wait for it; returns the trace's path."""
    from .runs.request import trace_window

    return trace_window(run, wait_s=wait_s)


def explain(rule: str) -> str:
    """The manual of a rule of `advise`."""
    from .advise.registry import explain

    return explain(rule)


def profile_block(
    results_dir: str | Path | None = None, *, stacks: bool = True, **options: Any
) -> AbstractContextManager[Block]:
    """Record the block as a run of its own; see `perfkit.profile`. Yields an object with ``.path``.

    ``options``: trace_steps, no_trace, trace_at, steps, seconds. Raises UsageError for another.
    """
    from .errors import UsageError
    from .launch import block
    from .runs.settings import results_root

    unknown = sorted(set(options) - BLOCK_OPTIONS)
    if unknown:
        raise UsageError(f"perfkit.profile() has no option {unknown[0]!r}; it has {', '.join(sorted(BLOCK_OPTIONS))}")
    return block.record(results_root(results_dir).path, options, stacks=stacks)
