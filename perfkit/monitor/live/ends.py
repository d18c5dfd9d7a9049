"""How a run ended, in words that claim no more than is known."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...hardware import cgroup
from ...runs import layout
from ...runs.reader import read_jsonl

if TYPE_CHECKING:
    from ...launch.child import Ended
    from ...model.monitoring import RunState

# Signals that say what the process did; the others were sent to it.
_CRASHES = {
    "SIGSEGV": "a crash in native code: an address that is not the process's own",
    "SIGBUS": "a crash in native code: memory behind a mapped file that is not there, as on a full disk or a full /dev/shm",
    "SIGILL": "a crash in native code: an instruction that this processor does not have",
    "SIGFPE": "a crash in native code: an arithmetic error",
    "SIGABRT": "native code gave up: its last words are on stderr",
}
_CRASH_ADVICE = "run it with PYTHONFAULTHANDLER=1 to see where it was"
_MEMORY_ADVICE = "a smaller batch, fewer loader workers, or a larger limit; perfkit profile shows where the memory goes"


@dataclass(frozen=True, kw_only=True)
class End:
    """State and reason, and what else is known."""

    state: RunState
    reason: str = ""
    advice: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


class OomWatch:
    """Counts of the kernel's kills for want of memory, in the groups of the supervised process and on the whole machine."""

    def __init__(self, vmstat: Path = Path("/proc/vmstat")) -> None:
        self._vmstat = vmstat
        self._before: dict[Path, int] = {}
        self._machine = self._of_machine()

    def look(self, pid: int) -> None:
        """Find the groups of *pid* while it lives: it may be moved to another, whose count begins then."""
        for file in cgroup.oom_files(proc=Path(f"/proc/{pid}")):
            if file not in self._before and (count := cgroup.kills_in(file)) is not None:
                self._before[file] = count

    def kills(self) -> int:
        """Processes killed in its groups since they were first seen."""
        now = {file: cgroup.kills_in(file) for file in self._before}
        return max([count - self._before[file] for file, count in now.items() if count is not None], default=0)

    def machine_kills(self) -> int:
        """Processes killed on the whole machine meanwhile."""
        now = self._of_machine()
        return 0 if now is None or self._machine is None else now - self._machine

    def _of_machine(self) -> int | None:
        if sys.platform != "linux":
            return None
        try:
            words = self._vmstat.read_text().split()
        except OSError:
            return None
        return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else None


def end_of(run: Path, ended: Ended, pid: int, oom: OomWatch) -> End:
    """What became of the process *pid*, which has ended."""
    kills = oom.kills()
    evidence: dict[str, Any] = {"exit_code": ended.exit_code, "max_rss_bytes": ended.max_rss_bytes}
    evidence |= {"oom_kills": kills} if kills else {}
    if ended.signal is not None:
        evidence["signal"] = signal.Signals(ended.signal).name
        return _by_signal(evidence, kills, oom.machine_kills())
    if ended.exit_code == 0:
        return End(state="finished", evidence=evidence)
    exception = exception_of(run, pid)
    if exception is not None:
        evidence["exception"] = exception["exception"]
        spoke = bool(exception.get("memory"))
        advice = _MEMORY_ADVICE if spoke or kills else ""
        reason = exception["exception"] + _and_workers(kills)
        return End(state="failed", reason=reason, advice=advice, evidence=evidence)
    return End(state="failed", reason=_code(ended.exit_code) + _and_workers(kills), evidence=evidence)


def exception_of(run: Path, pid: int | None) -> dict[str, Any] | None:
    """What `inside.ending` noted of the process *pid*; of a command's only Python process, of that."""
    lines = [line for line in read_jsonl(run / layout.ENDINGS) if isinstance(line.get("exception"), str)]
    own = [line for line in lines if line.get("pid") == pid]
    found = own or lines
    return found[-1] if found else None


def _by_signal(evidence: dict[str, Any], kills: int, machine_kills: int) -> End:
    name = evidence["signal"]
    if name in _CRASHES:
        return End(state="killed", reason=f"{name}: {_CRASHES[name]}", advice=_CRASH_ADVICE, evidence=evidence)
    if name != "SIGKILL":
        return End(state="killed", reason=name, evidence=evidence)
    if kills:
        many = "a process" if kills == 1 else f"{kills} processes"
        reason = f"out of memory: SIGKILL, and the kernel killed {many} of its control group for want of memory"
        return End(state="killed", reason=reason, advice=_MEMORY_ADVICE, evidence=evidence)
    if machine_kills:
        evidence["machine_oom_kills"] = machine_kills
        reason = "probably out of memory: SIGKILL, and the kernel killed for want of memory on this machine meanwhile"
        return End(state="killed", reason=reason, advice=_MEMORY_ADVICE, evidence=evidence)
    return End(state="killed", reason="SIGKILL, by whom is unknown", evidence=evidence)


def _code(code: int) -> str:
    if 128 < code < 128 + 65:
        try:
            return f"exit code {code}: a process below it was ended by {signal.Signals(code - 128).name}"
        except ValueError:
            pass
    return f"exit code {code}"


def _and_workers(kills: int) -> str:
    return f"; the kernel killed {kills} of its processes for want of memory" if kills else ""
