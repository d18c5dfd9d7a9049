"""Where what a command writes goes, how it is kept off the disk here, and why in that way."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .. import procfs
from . import landlock
from .enclose import FAILED, PLAN, REPORT

Way = Literal["overlay", "landlock", "functions"]

# Short, because sockets are made below it, whose paths have at most 107 bytes. Not in the home folder: the folders that the
# scratch folder lies in become read-only in an overlay. Memory comes last.
_PARENTS = ("/var/tmp", tempfile.gettempdir(), "/tmp", "/dev/shm")  # noqa: S108 - made with mode 700 under a random name
_PROBE_TIMEOUT_S = 20.0
_PACKAGE_PARENT = str(Path(__file__).resolve().parents[3])
#: perfkit's own Python, without site-packages or the environment's paths: the standard library is all that is needed.
_ENCLOSE = (
    f"import sys; sys.path.insert(0, {_PACKAGE_PARENT!r}); "
    "from perfkit.launch.sandbox.enclose import main; sys.exit(main(sys.argv[1:]))"
)


@dataclass(frozen=True, kw_only=True)
class Method:
    """How writes are kept off the disk."""

    way: Way
    #: Folder that scratch folders are made in.
    parent: Path
    #: Why not a sounder way; empty for the soundest.
    reason: str = ""


def choose(working: Iterable[Path], *, ways: tuple[Way, ...] = ("overlay", "landlock", "functions")) -> Method:
    """The first of *ways* that works here for a command that writes into the *working* folders, each tried in earnest."""
    folders = [folder.resolve() for folder in working]
    parents = [parent for parent in _parents() if not any(parent.is_relative_to(folder) for folder in folders)]
    reasons: list[str] = []
    if "overlay" in ways and sys.platform == "linux":
        for parent in parents:
            reason = _probe(parent, folders)
            if reason is None:
                return Method(way="overlay", parent=parent)
            reasons.append(f"overlay in {parent}: {reason}")
    if not parents:
        reasons.append(f"overlay: every place for its layers lies in {' or '.join(map(str, folders))}")
    parent = parents[0] if parents else Path(tempfile.gettempdir())
    if "landlock" in ways and sys.platform == "linux":
        try:
            landlock.version()
            return Method(way="landlock", parent=parent, reason="; ".join(reasons))
        except OSError as error:
            reasons.append(f"landlock: {error.strerror}")
    return Method(way="functions", parent=parent, reason="; ".join(reasons) or f"{sys.platform} has nothing better")


class Place:
    """One scratch folder. `argv` runs a command in it, `remove` throws it away."""

    def __init__(self, method: Method, *, passing: Iterable[Path], working: Iterable[Path]) -> None:
        self.method = method
        self.folder = method.parent / f"perfkit-{secrets.token_hex(4)}"
        self.folder.mkdir(mode=0o700)
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        plan = {
            "way": method.way,
            "passing": [str(folder.resolve()) for folder in passing],
            "working": [str(folder.resolve()) for folder in [*working, *_home()]],
            "owner": _owner(),
        }
        (self.folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")

    def argv(self, argv: list[str]) -> list[str]:
        """*argv* run enclosed."""
        return [sys.executable, "-I", "-S", "-c", _ENCLOSE, str(self.folder), *argv]

    def report(self) -> dict[str, Any]:
        """What became of it: ``read_only`` folders, or why it ``failed``; empty when the command never began."""
        try:
            found: dict[str, Any] = json.loads((self.folder / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def remove(self) -> None:
        """Throw away what was written."""
        _remove(self.folder)


def remove_abandoned() -> None:
    """Throw away the scratch folders of those who were killed before they could: only where it is sure that they are gone."""
    for parent in _parents():
        for folder in parent.glob("perfkit-????????"):
            with suppress(OSError, ValueError):  # somebody else's, half made, or being removed by another of us
                plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
                if _is_gone(plan.get("owner")):
                    _remove(folder)


def _remove(folder: Path) -> None:
    """Layers have folders that not even their owner may enter."""
    for path, folders, _ in os.walk(folder, onerror=_ignore):
        for name in folders:
            inner = Path(path, name)
            if not inner.is_symlink():
                inner.chmod(0o700)
    shutil.rmtree(folder)


def _owner() -> dict[str, Any] | None:
    """This process, as it can be told from every other; None where there is no /proc."""
    found = procfs.read_stat(os.getpid())
    return {"pid": found.pid, "start_ticks": found.start_ticks, **_world()} if found is not None else None


def _world() -> dict[str, str]:
    """Where a process's number means something: another container has numbers of its own, another boot began anew."""
    return {
        "namespace": str(Path("/proc/self/ns/pid").readlink()),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
    }


def _is_gone(owner: dict[str, Any] | None) -> bool:
    """Whether that process has surely ended."""
    if owner is None:
        return False
    world = _world()
    if owner["boot"] != world["boot"]:
        return True
    if owner["namespace"] != world["namespace"]:
        return False
    found = procfs.read_stat(owner["pid"])
    return found is None or found.start_ticks != owner["start_ticks"]


def _home() -> list[Path]:
    """Where libraries keep their caches; a user without a home folder has none."""
    home = Path.home() if "HOME" in os.environ else Path("/")
    return [home] if home.is_dir() and home != Path("/") else []


def _ignore(_error: OSError) -> None:
    """A folder that cannot be listed is one that cannot be removed either, and rmtree says so."""


def _parents() -> list[Path]:
    found = (Path(parent) for parent in dict.fromkeys(_PARENTS))
    return [parent.resolve() for parent in found if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)]


def _probe(parent: Path, working: list[Path]) -> str | None:
    """Why an overlay with its layers in *parent* does not work; None when it does."""
    method = Method(way="overlay", parent=parent)
    try:
        place = Place(method, passing=(), working=working)
    except OSError as error:
        return error.strerror
    try:
        command = [sys.executable, "-I", "-S", "-c", _WRITE, *map(str, working)]
        done = subprocess.run(
            place.argv(command),
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode == FAILED:
            return str(place.report().get("failed", "it did not say why"))
        return done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}" if done.returncode else None
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        place.remove()


#: Run in the overlay: a file can be made, and kept, in every folder that the command works in.
_WRITE = """
import os, sys, secrets
for folder in sys.argv[1:]:
    path = os.path.join(folder, ".perfkit-" + secrets.token_hex(4))
    with open(path, "w") as file:
        file.write("kept")
    os.remove(path)
"""
