"""A mount namespace in which a copy-on-write layer lies over every writable file system.

The layer's upper half must not lie below its lower half, and a file system that others are mounted on cannot be a lower half
for plain users. So the tree is covered from the root: a folder that holds neither a mount nor the scratch folder gets an
overlay; of any other the folders in it are covered one by one, and its own files become read-only.

In a user namespace only our own numbers exist: a folder of somebody else's below the root of a layer cannot be copied into it,
nor what lies in that folder (EOVERFLOW). So there the layer over a folder to be worked in has its root at the lowest of those.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from . import kernel

#: Kernel interfaces, devices and run-time sockets: a copy of them would be of no use.
PASSED = ("/proc", "/sys", "/dev", "/run")
#: Where a user may not be the owner of what lies below: mounting there again needs the flags it has now.
_FLAGS = {
    "ro": kernel.MS_RDONLY,
    "nosuid": kernel.MS_NOSUID,
    "nodev": kernel.MS_NODEV,
    "noexec": kernel.MS_NOEXEC,
    "noatime": kernel.MS_NOATIME,
    "nodiratime": kernel.MS_NODIRATIME,
    "relatime": kernel.MS_RELATIME,
}


def enter(scratch: str, passing: Iterable[str], working: Iterable[str]) -> list[str]:
    """Cover this process's file systems: writes go below *scratch*, but to *passing* folders directly. *working* are folders
    in which writing is most to be expected.

    Returns the folders whose own files are read-only now. Raises OSError where this cannot be done; the process is of no use
    then.
    """
    cwd = Path.cwd()
    alone = _new_namespace()
    kernel.mount(scratch, scratch, None, kernel.MS_BIND)  # a mount of its own: it stays writable
    kept = [(folder, _hold(folder, Path(scratch, "passing", str(n)))) for n, folder in enumerate(passing)]
    cover = _Cover(scratch, {_lowest_of_others(folder) for folder in working} if alone else set())
    cover.folder("/")
    for folder, held in kept:
        kernel.mount(held, folder, None, kernel.MS_BIND)
    os.chdir(cwd)  # the current folder is the covered one from now on
    return cover.read_only


def _hold(folder: str, place: Path) -> str:
    """Mount *folder* at *place* too, where it stays within reach once its own path is covered."""
    place.mkdir(parents=True)
    kernel.mount(folder, str(place), None, kernel.MS_BIND)
    return str(place)


def _new_namespace() -> bool:
    """A mount namespace of our own; in a user namespace in which we are who we are, unless we may without. Whether it is."""
    alone = False
    try:
        kernel.unshare(kernel.CLONE_NEWNS)
    except PermissionError:
        alone = True
        user, group = os.geteuid(), os.getegid()
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    return alone


def _lowest_of_others(folder: str) -> str:
    """The lowest folder on the way to *folder* that is somebody else's, or a group's that we have no number for."""
    ours = os.geteuid(), os.getegid()
    path = Path(folder)
    for above in (path, *path.parents):
        status = above.stat()
        if (status.st_uid, status.st_gid) != ours:
            return str(above)
    return "/"


class _Cover:
    def __init__(self, scratch: str, roots: set[str]) -> None:
        self._scratch = scratch
        self._roots = roots  # folders that are to be a layer's root, or below one
        self._mounts = _mounts()
        self._count = 0
        self.read_only: list[str] = []

    def folder(self, path: str) -> None:
        if path in PASSED or path == self._scratch:
            return
        if not self._holds_others(path):
            self._overlay(path)
            return
        self._make_read_only(path)
        with os.scandir(path) as entries:
            folders = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        for inner in folders:
            self.folder(inner)

    def _holds_others(self, path: str) -> bool:
        below = path.rstrip("/") + "/"
        return any(other.startswith(below) for other in (self._scratch, *self._mounts, *self._roots))

    def _overlay(self, path: str) -> None:
        if "ro" in self._options(path):
            return
        place = Path(self._scratch, "layers", str(self._count))
        self._count += 1
        for name in ("upper", "work"):
            (place / name).mkdir(parents=True)
        _take_after(path, place / "upper")
        # Without userxattr the layer's notes need the rights of the machine's root.
        layers = f"lowerdir={_escaped(path)},upperdir={place}/upper,workdir={place}/work"
        for extra in (",userxattr", ""):
            try:
                kernel.mount("perfkit", path, "overlay", 0, layers + extra)
            except OSError:
                continue
            return
        self._make_read_only(path)

    def _make_read_only(self, path: str) -> None:
        """Only the folder's own files: what is mounted below stays as it is."""
        if path not in self._mounts:
            kernel.mount(path, path, None, kernel.MS_BIND | kernel.MS_REC)
        flags = sum(_FLAGS.get(option, 0) for option in self._options(path) - {"ro"})
        kernel.mount("none", path, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | flags)
        self.read_only.append(path)

    def _options(self, path: str) -> set[str]:
        """Of the mount that *path* lies in."""
        holding = max((m for m in self._mounts if path == m or path.startswith(m.rstrip("/") + "/")), key=len)
        return self._mounts[holding]


def _mounts() -> dict[str, set[str]]:
    """Mount point -> options, as this process sees them (proc(5): mountinfo)."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    fields = (line.split(" ") for line in text.splitlines())
    return {_unescaped(words[4]): set(words[5].split(",")) for words in fields}


def _unescaped(text: str) -> str:
    for code in ("\\040", "\\011", "\\012", "\\134"):
        text = text.replace(code, chr(int(code[1:], 8)))
    return text


def _escaped(path: str) -> str:
    """Of overlayfs, in which a colon divides lower folders and a comma options."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _take_after(path: str, upper: Path) -> None:
    """The root of a layer is what is seen of the folder: its mode and times are the folder's."""
    status = Path(path).stat()
    with suppress(
        OSError
    ):  # somebody else's folder, who has no number in our namespace: we could not write there either
        os.chown(upper, status.st_uid, status.st_gid)
    upper.chmod(stat.S_IMODE(status.st_mode))
    os.utime(upper, ns=(status.st_atime_ns, status.st_mtime_ns))
