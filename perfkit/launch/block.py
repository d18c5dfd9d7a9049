"""A recording begun in code: ``with perfkit.profile() as run: …``. The guest is in this process, the
samplers are not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..hardware import detect, nvidia
from ..model.records import RunInfo
from ..runs import layout
from ..runs.store import Store
from . import environment, git, packages, privacy, rundir, watch
from .infofile import InfoFile

_READY_TIMEOUT_S = 3.0
_STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Block:
    """What the ``with`` statement gives. ``path`` is the run's directory, None when nothing could be
    recorded.
    """

    path: Path | None


@contextmanager
def record(store: Store, *, stacks: bool = True, **options: Any) -> Iterator[Block]:
    """Record the block as a run of *store*. Within a recording that is already going on, the block belongs
    to that.

    A directory that cannot be written costs the recording, never the block: it runs, with one warning.
    """
    session = _guest()
    if session.current is not None and not session.current.ended:
        yield Block(path=Path(session.current.recorder.run_dir))
        return
    try:
        run = rundir.make(store.root, _name())
        info = InfoFile(run, _info(run))
    except OSError as error:
        warnings.warn(f"perfkit: cannot record into {store.root}: {error}", RuntimeWarning, stacklevel=4)
        yield Block(path=None)
        return
    yield from _recorded(session, run, info, stacks=stacks, options=options)


def _recorded(session: Any, run: Path, info: InfoFile, *, stacks: bool, options: dict[str, Any]) -> Iterator[Block]:
    watcher = _start_watcher(run, stacks=stacks, traced=not options.get("no_trace"))
    told = environment.encode_options({**options, "launcher": watcher.pid})
    status = "failed"
    try:
        session.start(str(run), told)
        yield Block(path=run)
        status = "finished"
    finally:
        session.stop()
        ended_ns = time.monotonic_ns()
        _stop_watcher(watcher, run)
        # The watcher has written its collectors into the file meanwhile.
        done = InfoFile(run, _newest(run, info.info))
        done.update(status=status, ended_monotonic_ns=ended_ns)
        rundir.free_reserve(run)


def _newest(run: Path, known: RunInfo) -> RunInfo:
    from ..errors import RunError
    from ..runs.reader import read_info

    try:
        return read_info(run)
    except RunError:
        return known


def _guest() -> Any:
    from ..inside import boot

    return boot.alias()  # type: ignore[no-untyped-call]


def _start_watcher(run: Path, *, stacks: bool, traced: bool) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "perfkit.launch.watch", "--pid", str(os.getpid()), "--run", str(run)]
    argv += [*([] if stacks else ["--no-stacks"]), *([] if traced else ["--no-trace"])]
    environ = {key: value for key, value in os.environ.items() if key != environment.RUN_VARIABLE}
    package_root = str(Path(__file__).resolve().parents[2])
    before = environ.get("PYTHONPATH")
    environ["PYTHONPATH"] = package_root + (os.pathsep + before if before else "")
    watcher = subprocess.Popen(
        argv,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C is for the script
    )
    deadline = time.monotonic() + _READY_TIMEOUT_S
    ready = run / layout.CONTROL / watch.READY
    while not ready.exists() and watcher.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return watcher


def _stop_watcher(watcher: subprocess.Popen[bytes], run: Path) -> None:
    try:
        (run / layout.CONTROL / watch.STOP).touch()
    except OSError:
        watcher.terminate()
    try:
        watcher.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        watcher.kill()
        watcher.wait()


def _name() -> str:
    script = sys.argv[0] if sys.argv and sys.argv[0] not in {"", "-c"} else ""
    return Path(script).stem or "block"


def _info(run: Path) -> RunInfo:
    host = detect.host_facts()
    return RunInfo(
        schema_version=layout.SCHEMA_VERSION,
        id=run.name,
        command=privacy.mask_command(sys.argv) or ["-c"],
        script=privacy.mask_text(sys.argv[0] if sys.argv else ""),
        status="running",
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        started_monotonic_ns=time.monotonic_ns(),
        started_realtime_ns=time.time_ns(),
        pid=os.getpid(),
        python={"executable": sys.executable, "reason": "the process itself"},
        host=host,
        devices=[detect.cpu_device(host), *nvidia.devices()],
        packages=packages.versions(sys.executable),
        git=git.revision(Path.cwd()),
        environment=privacy.recorded_environment(os.environ),
        options={"kind": "block"},
        origin={"kind": "profile"},
    )
