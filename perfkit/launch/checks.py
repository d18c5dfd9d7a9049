"""What can be measured on this machine; for what cannot, why, and how to get it. Each check tries the real
thing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import CollectorError, PerfkitError
from ..hardware import cgroup, detect
from ..hardware.nvidia import Nvml
from ..hardware.rapl import Rapl
from . import interpreter, packages, procfs, pyspy
from .child import allow_tracing_by

State = Literal["yes", "partly", "no"]
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
# Reading a clock that goes to the kernel costs about this much or more; tsc costs 20-60 ns.
SLOW_CLOCK_NS = 500
_TRIAL_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that can be measured here, partly, or not at all."""

    name: str
    state: State
    found: str
    #: What to do about it; None when there is nothing to do.
    remedy: str | None = None


def run_checks(results_root: Path, *, python: str | None = None) -> list[Check]:
    """Every check, in the order a reader wants them. A check that breaks says so and does not stop the
    others.
    """
    checks: list[Callable[[], Check]] = [
        lambda: check_interpreter(python),
        lambda: check_torch(python),
        lambda: check_results(results_root),
        check_cores,
        check_clock,
        check_host,
        check_stacks,
        check_nvml,
        check_energy,
    ]
    return [_guarded(check) for check in checks]


def _guarded(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:
        return Check(name="check", state="no", found=f"a check failed: {type(error).__name__}: {error}")


def check_interpreter(python: str | None = None) -> Check:
    """Which Python a script would run in, and whether the guest can live there."""
    try:
        chosen = interpreter.choose(python)
    except PerfkitError as error:
        return Check(name="python", state="no", found=str(error), remedy="name one with --python")
    version = _version(chosen.path)
    found = f"{chosen.path} ({version or 'version unknown'}; {chosen.reason})"
    if version is None:
        return Check(name="python", state="no", found=found, remedy="name another with --python")
    if tuple(int(part) for part in version.split(".")[:2]) < (3, 9):
        return Check(name="python", state="no", found=found, remedy="perfkit's probes need Python 3.9 or later")
    return Check(name="python", state="yes", found=found)


def check_torch(python: str | None = None) -> Check:
    """Whether steps can be seen in that Python, and whether its torch can use a GPU."""
    try:
        chosen = interpreter.choose(python).path
    except PerfkitError as error:
        return Check(name="steps", state="no", found=str(error))
    version = packages.versions(chosen).get("torch")
    if version is None:
        remedy = f"install it there ({chosen} -m pip install torch), or choose another Python with --python"
        return Check(name="steps", state="no", found=f"torch is not installed for {chosen}", remedy=remedy)
    build = _torch_build(chosen)
    return Check(name="steps", state="yes", found=f"torch {version}, {build}")


def check_results(root: Path) -> Check:
    """Whether a recording can be written."""
    folder = next((p for p in (root, *root.absolute().parents) if p.exists()), Path("/"))
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
        free = _free_bytes(folder)
    except OSError as error:
        return Check(name="results", state="no", found=f"{root}: {error.strerror}", remedy="use --results-dir")
    room = f"{free / 2**30:.1f} GiB free" if free is not None else "free space unknown"
    if free is not None and free < 100 * 2**20:
        return Check(name="results", state="partly", found=f"{root}: only {room}", remedy="use --results-dir")
    return Check(name="results", state="yes", found=f"{root} can be written, {room}")


def check_cores() -> Check:
    """How many processors a script really gets."""
    limits, allowed = cgroup.limits(), detect.allowed_cores()
    usable, logical = detect.usable_cores(limits), os.cpu_count() or 1
    found = f"{usable:g} usable of {logical} logical ({detect.physical_cores() or 'unknown'} physical)"
    if limits.cpus is not None and limits.cpus < allowed:
        found += f"; the control group allows {limits.cpus:g}"
        remedy = "threads and loader workers beyond that only wait: set OMP_NUM_THREADS, or raise the limit"
        return Check(name="cores", state="partly", found=found, remedy=remedy)
    if allowed < logical:
        found += f"; affinity allows {allowed}"
    return Check(name="cores", state="yes", found=found)


def check_clock() -> Check:
    """What a time stamp costs: each mark of a step takes one."""
    source, cost_ns = detect.clock_source() or "unknown", _clock_cost_ns()
    found = f"{source}, {cost_ns:.0f} ns per reading"
    if cost_ns > SLOW_CLOCK_NS:
        remedy = "short steps are slowed by their time stamps; the kernel's clock source should be tsc or kvm-clock"
        return Check(name="clock", state="partly", found=found, remedy=remedy)
    return Check(name="clock", state="yes", found=found)


def check_host() -> Check:
    """CPU, memory and I/O of the process tree."""
    if sys.platform != "linux":
        return Check(name="host", state="no", found=f"{sys.platform} has no /proc", remedy="use Linux")
    pid = os.getpid()
    missing = [
        name
        for name, value in (
            ("memory shared between processes", procfs.read_pss_bytes(pid)),
            ("I/O", procfs.read_io(pid)),
        )
        if value is None
    ]
    if missing:
        return Check(name="host", state="partly", found=f"CPU and memory; not readable: {', '.join(missing)}")
    return Check(name="host", state="yes", found="CPU, memory and I/O of the process tree, from /proc")


def check_stacks() -> Check:
    """Python stacks from outside: py-spy is tried on a process of ours, under the terms of a profiled
    script.
    """
    program = pyspy.find()
    if program is None:
        return Check(name="stacks", state="no", found="py-spy is not installed", remedy="pip install py-spy")
    said = _try_pyspy(program)
    scope = YAMA.read_text(encoding="ascii").strip() if YAMA.exists() else None
    yama = f"kernel.yama.ptrace_scope {scope}" if scope is not None else "no yama"
    if said is None:
        return Check(name="stacks", state="yes", found=f"py-spy reads a running script ({yama})")
    return Check(name="stacks", state="no", found=f"{said} ({yama})", remedy=_ptrace_remedy(scope))


def check_nvml() -> Check:
    """Devices, and which of their readings are supported."""
    try:
        nvml = Nvml()
    except CollectorError as error:
        return Check(name="gpu", state="no", found=str(error), remedy=_no_gpu_remedy())
    try:
        return _gpus(nvml)
    finally:
        nvml.close()


def check_energy() -> Check:
    """The processor's energy counter (the devices' come with NVML)."""
    try:
        Rapl().joules()
    except CollectorError as error:
        return Check(name="energy", state="no", found=str(error))
    return Check(name="energy", state="yes", found="energy of the processor packages (RAPL)")


def _gpus(nvml: Nvml) -> Check:
    if not nvml.gpus:
        remedy = "unset CUDA_VISIBLE_DEVICES, or give it a device that exists"
        return Check(name="gpu", state="no", found="CUDA_VISIBLE_DEVICES leaves no device visible", remedy=remedy)
    names = [nvml.device(gpu).name for gpu in nvml.gpus]
    for gpu in nvml.gpus:
        for reading in ("utilization", "memory", "power_mw", "energy_mj", "sm_clock_mhz", "throttle"):
            nvml.read(gpu, reading)
    missing = sorted({name for gpu in nvml.gpus for name in gpu.unsupported})
    found = ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))
    if missing:
        return Check(name="gpu", state="partly", found=f"{found}; not supported: {', '.join(missing)}")
    return Check(name="gpu", state="yes", found=found)


def _try_pyspy(program: str) -> str | None:
    """Why py-spy cannot read a Python process of ours; None when it can."""
    prepare = allow_tracing_by(os.getpid())
    argv = [sys.executable, "-S", "-c", "import time; print(flush=True); time.sleep(30)"]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=prepare)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        done = subprocess.run(
            [program, "dump", "--nonblocking", "--pid", str(child.pid)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"py-spy: {error}"
    finally:
        child.kill()
        child.communicate()
    return None if done.returncode == 0 else pyspy.failure(done.returncode, done.stderr.decode("utf-8", "replace"))


def _ptrace_remedy(scope: str | None) -> str:
    if scope in {"2", "3"}:
        return "sysctl kernel.yama.ptrace_scope=1 (3 lasts until the next boot)"
    return "in a container: docker run --cap-add SYS_PTRACE (Kubernetes: capabilities.add SYS_PTRACE)"


def _no_gpu_remedy() -> str | None:
    """Only where there is a device but no way to it."""
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return "the devices are here but not the driver's library: in a container, use --gpus all"
    return None


def _version(python: str) -> str | None:
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        done = subprocess.run(
            [python, "-I", "-S", "-c", code], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = done.stdout.decode("ascii", "replace").strip()
    return text if re.fullmatch(r"\d+\.\d+\.\d+", text) else None


def _torch_build(python: str) -> str:
    """What its torch was built for, from the file that says so; nothing is imported."""
    for file in (Path(folder) / "torch" / "version.py" for folder in packages.site_folders(python)):
        try:
            text = file.read_text(encoding="utf-8")
        except OSError:
            continue
        for name in ("cuda", "hip", "xpu"):
            if found := re.search(rf"^{name}\b[^=]*=\s*['\"]([^'\"]+)", text, re.MULTILINE):
                return f"built for {name.upper()} {found.group(1)}"
        return "built for the CPU only"
    return "its build is not known"


def _clock_cost_ns(readings: int = 10_000) -> float:
    started = time.perf_counter_ns()
    for _ in range(readings):
        time.monotonic_ns()
    return (time.perf_counter_ns() - started) / readings


def _free_bytes(folder: Path) -> int | None:
    try:
        status = os.statvfs(folder)
    except (OSError, AttributeError):
        return None
    return status.f_bavail * status.f_frsize


def as_json(checks: list[Check]) -> dict[str, Any]:
    """The document of `perfkit doctor --json`."""
    return {"schema_version": 1, "host": detect.host_facts(), "checks": list(_plain(checks))}


def _plain(checks: list[Check]) -> Iterator[dict[str, Any]]:
    for check in checks:
        yield {"name": check.name, "state": check.state, "found": check.found, "remedy": check.remedy}
