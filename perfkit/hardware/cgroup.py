"""What the control group allows: processors and memory, versions 1 and 2, over the whole chain of parents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Version 1 says "no limit" with a number near 2^63, rounded to pages.
_NO_LIMIT_BYTES = 1 << 60


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The tightest limits that hold for this process; None where there is none."""

    cpus: float | None = None
    memory_bytes: int | None = None
    version: int | None = None


def limits(*, proc: Path = Path("/proc/self"), root: Path = Path("/sys/fs/cgroup")) -> Limits:
    """Read the limits of the calling process. The paths are arguments so that recorded trees can be read
    too.
    """
    groups = _groups(proc)
    cpu_v1 = [_cpu_v1(folder) for folder in _chain(root / "cpu", groups.get("cpu"))]
    cpu_v1 += [_cpu_v1(folder) for folder in _chain(root / "cpu,cpuacct", groups.get("cpu"))]
    memory_v1 = [_number(folder / "memory.limit_in_bytes") for folder in _chain(root / "memory", groups.get("memory"))]
    unified = [*_chain(root, groups.get("")), *_chain(root / "unified", groups.get(""))]
    cpus = [found for found in (*cpu_v1, *(_cpu_v2(folder) for folder in unified)) if found]
    memory = [*memory_v1, *(_number(folder / "memory.max") for folder in unified)]
    known = [found for found in memory if found is not None and found < _NO_LIMIT_BYTES]
    version = (2 if (root / "cgroup.controllers").exists() else 1) if groups and root.is_dir() else None
    return Limits(cpus=min(cpus, default=None), memory_bytes=min(known, default=None), version=version)


def oom_kills(*, proc: Path = Path("/proc/self"), root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """How many processes the kernel has killed for want of memory in the groups of the calling process; None where no
    group says it. Only a difference between two readings means anything.
    """
    return max(
        (count for count in (kills_in(file) for file in oom_files(proc=proc, root=root)) if count is not None),
        default=None,
    )


def oom_files(*, proc: Path = Path("/proc/self"), root: Path = Path("/sys/fs/cgroup")) -> list[Path]:
    """The files in which the kernel counts kills for the groups of a process: they stay when it has ended."""
    groups = _groups(proc)
    folders = [*_chain(root, groups.get("")), *_chain(root / "unified", groups.get(""))]
    files = [folder / "memory.events" for folder in folders]
    return files + [folder / "memory.oom_control" for folder in _chain(root / "memory", groups.get("memory"))]


def kills_in(file: Path) -> int | None:
    """The count in one of `oom_files`; None where it has none."""
    return next((int(words[1]) for words in _pairs(file) if words[0] == "oom_kill"), None)


def _pairs(file: Path) -> list[tuple[str, str]]:
    words = _words(file)
    return [(name, value) for name, value in zip(words[::2], words[1::2], strict=False) if value.isdigit()]


def _groups(proc: Path) -> dict[str, str]:
    """Controller → path of the group ("" is version 2)."""
    try:
        lines = (proc / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    groups: dict[str, str] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    return groups


def _chain(root: Path, path: str | None) -> Iterator[Path]:
    """The group's folder and those above it; in a container often only the root itself is there."""
    if path is None or not root.is_dir():
        return
    for part in (PurePosixPath(path), *PurePosixPath(path).parents):
        folder = root / str(part).lstrip("/")
        if folder.is_dir():
            yield folder


def _cpu_v1(folder: Path) -> float | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _cpu_v2(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    if len(words) != 2 or not (words[0].isdigit() and words[1].isdigit()):
        return None
    return int(words[0]) / int(words[1])


def _number(file: Path) -> int | None:
    words = _words(file)
    try:
        return int(words[0]) if words else None
    except ValueError:
        return None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []
