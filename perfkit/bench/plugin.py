"""The pytest plugin: the fixture `perfkit`, what `perfkit bench` asks of a run, and its results as a file.

pytest loads it in every session of an environment that has perfkit, so it imports nothing heavy until a benchmark runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .session import NOT_TIMED, UNTIMED, Session

if TYPE_CHECKING:
    from collections.abc import Generator

    from .fixture import Bench

#: The folder that `perfkit bench` gives a run of pytest, see `bench.session`.
FOLDER_VARIABLE = "PERFKIT_BENCH"
_KEY = pytest.StashKey[Session]()
#: Whose tests `perfkit bench` runs: ours, and pytest-benchmark's.
FIXTURES = frozenset(("perfkit", "benchmark"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a plain run of pytest can be asked."""
    group = parser.getgroup("perfkit", "benchmarks with the fixture perfkit")
    group.addoption("--perfkit-json", metavar="FILE", help="write their results there, as pytest-benchmark does")


def pytest_configure(config: pytest.Config) -> None:
    """Take what `perfkit bench` asks, if it started this run."""
    folder = os.environ.get(FOLDER_VARIABLE)
    session = config.stash[_KEY] = Session.of(Path(folder) if folder else None)
    session.counts = session.folder is None and config.getoption("--perfkit-json") is not None
    if hasattr(config, "workerinput"):
        session.mode = UNTIMED  # of xdist: what runs beside others is not timed


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under `perfkit bench` only benchmarks are run: of these the ones it asks for."""
    session = config.stash[_KEY]
    if session.folder is None:
        return
    benchmarks = [item for item in items if not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))]
    kept = [item for item in benchmarks if session.wants(item.nodeid)]
    session.collected = [item.nodeid for item in benchmarks]
    if deselected := [item for item in items if item not in kept]:
        config.hook.pytest_deselected(items=deselected)
    items[:] = kept


@pytest.fixture
def perfkit(request: pytest.FixtureRequest) -> Bench:
    """Times what it is called with: ``perfkit(function, *arguments)``, ``.train_step(…)``, ``.inference(model, *inputs)``."""
    from .fixture import Bench

    return Bench(request.node, request.config.stash[_KEY])


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    """Within a gate pytest-benchmark's fixture times as ours does."""
    made = yield
    session = request.config.stash[_KEY]
    if fixturedef.argname == "benchmark" and session.folder is not None:
        from .adopted import adopt
        from .fixture import Bench

        adopt(made, Bench(request.node, session))
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which benchmarks failed or were skipped."""
    report: pytest.TestReport = yield
    session = item.config.stash[_KEY]
    if report.outcome != "passed":
        session.failed(item.nodeid, str(report.when), report.outcome, _last_lines(report))
    elif report.when == "call" and session.folder is not None and item.nodeid not in session.benchmarks:
        session.failed(item.nodeid, "call", "failed", "it measured nothing: its fixture was not called")
    return report


def _last_lines(report: Any) -> str:
    if isinstance(report.longrepr, tuple):  # of what is skipped: file, line, reason
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longreprtext).strip()[-2000:]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was measured."""
    found, file = session.config.stash[_KEY], session.config.getoption("--perfkit-json")
    found.write()
    if file and found.benchmarks:
        from .results import write

        write(Path(file), found.benchmarks)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what was measured, where a person ran pytest."""
    session = config.stash[_KEY]
    untimed = sum(NOT_TIMED in report.user_properties for report in terminalreporter.getreports("passed"))
    if untimed:
        terminalreporter.section("perfkit")
        terminalreporter.write_line(
            f"{untimed} benchmarks ran once each and were not timed: under xdist (-n) others run beside them"
        )
    if session.folder is None and session.benchmarks:
        from .results import lines

        terminalreporter.section("perfkit")
        for line in lines(session.benchmarks):
            terminalreporter.write_line(line)
