"""What Python writes goes into a layer: the functions that take paths are given others.

Where the kernel lets us put a real layer over the file systems (`launch.sandbox`) this is not used. It sees what goes through
`builtins.open`, `os` and the libraries named in `writers`; a wall around the process keeps the rest from the disk.
"""

import builtins
import functools
import io
import os

from . import layer as layers
from .layer import Layer
from .replace import replace
from .writers import READERS, WRITERS, watch_paths

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Redirect:
    """The replaced functions of one process."""

    def __init__(self, scratch, passing):
        self._layer = Layer(scratch, passing)
        self._undo = []

    def arm(self, watch):
        """Replace the functions for good: a trial never goes back to the real files."""
        for owner in (builtins, io):
            self._replace(owner, "open", self._open)
        self._replace(os, "open", self._os_open)
        for name in ("stat", "lstat", "access", "readlink", "chdir", "statvfs", "getxattr", "listxattr"):
            self._replace(os, name, self._reading)
        for name in ("chmod", "chown", "utime", "truncate", "mkfifo", "setxattr"):
            self._replace(os, name, self._changing)
        for name in ("remove", "unlink", "rmdir"):
            self._replace(os, name, self._removing)
        for name in ("rename", "replace"):
            self._replace(os, name, self._moving)
        for name in ("link", "symlink"):
            self._replace(os, name, self._linking)
        self._replace(os, "mkdir", self._mkdir)
        self._replace(os, "listdir", self._listdir)
        self._replace(os, "scandir", self._scandir)
        self._replace(os, "getcwd", self._getcwd)
        watch.when("shutil", _by_paths)
        watch_paths(watch, WRITERS, lambda path: self._writable(path, keep=True))
        watch_paths(watch, READERS, self._visible)

    def disarm(self):
        """Put the functions back."""
        while self._undo:
            self._undo.pop()()

    def _replace(self, owner, name, make):
        if hasattr(owner, name):
            self._undo.append(replace(owner, name, lambda original: functools.wraps(original)(make(original))))

    # -- paths -----------------------------------------------------------------------------------------------------

    def _visible(self, path):
        name = self._named(path)
        return path if name is None else _like(path, self._layer.visible(name))

    def _writable(self, path, keep):
        name = self._named(path)
        return path if name is None else _like(path, self._layer.writable(name, keep))

    def _named(self, path):
        """The name that the layer knows; None for a descriptor, or a path that it lets pass."""
        if isinstance(path, (str, bytes)) or hasattr(path, "__fspath__"):
            try:
                return self._layer.name(path)
            except (OSError, ValueError):  # no current folder, a null byte: the function itself says so
                return None
        return None

    # -- functions -------------------------------------------------------------------------------------------------

    def _open(self, original):
        def open(file, mode="r", *args, **kwargs):
            if not isinstance(file, int) and isinstance(mode, str):
                if "x" in mode:
                    file = self._for_new(file)
                elif "w" in mode:
                    file = self._writable(file, keep=False)
                elif "a" in mode or "+" in mode:
                    file = self._writable(file, keep=True)
                else:
                    file = self._visible(file)
            return original(file, mode, *args, **kwargs)

        return open

    def _os_open(self, original):
        def open(path, flags, mode=0o777, *, dir_fd=None):
            if dir_fd is None:
                if flags & os.O_CREAT and flags & os.O_EXCL:
                    path = self._for_new(path)
                elif flags & WRITING:
                    path = self._writable(path, keep=not flags & os.O_TRUNC)
                else:
                    path = self._visible(path)
            return original(path, flags, mode, dir_fd=dir_fd)

        return open

    def _for_new(self, path):
        """For a file that must not be there yet."""
        name = self._named(path)
        if name is not None and self._layer.exists(name):
            return _like(path, self._layer.visible(name))
        return self._writable(path, keep=False)

    def _reading(self, original):
        def read(path, *args, **kwargs):
            return original(path if kwargs.get("dir_fd") is not None else self._visible(path), *args, **kwargs)

        return read

    def _changing(self, original):
        def change(path, *args, **kwargs):
            name = self._named(path) if kwargs.get("dir_fd") is None else None
            if name is not None and self._layer.exists(name):
                path = self._writable(path, keep=True)
            elif name is not None:
                path = self._visible(path)
            return original(path, *args, **kwargs)

        return change

    def _removing(self, original):
        remove = layers._rmdir if original.__name__ == "rmdir" else layers._remove

        def removing(path, *, dir_fd=None):
            name = self._named(path) if dir_fd is None else None
            if name is None:
                return original(path, dir_fd=dir_fd)
            return self._layer.remove(name, remove)

        return removing

    def _moving(self, original):
        def move(src, dst, *, src_dir_fd=None, dst_dir_fd=None):
            names = self._named(src), self._named(dst)
            if src_dir_fd is not None or dst_dir_fd is not None or names == (None, None):
                return original(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            return self._layer.move((names[0], src), (names[1], dst), original)

        return move

    def _linking(self, original):
        def link(src, dst, *args, **kwargs):
            # What a symbolic link says is not looked at; a hard link needs the file in the layer.
            if original.__name__ == "link":
                src = self._writable(src, keep=True)
            return original(src, self._for_new(dst), *args, **kwargs)

        return link

    def _mkdir(self, original):
        def mkdir(path, mode=0o777, *, dir_fd=None):
            return original(path if dir_fd is not None else self._for_new(path), mode, dir_fd=dir_fd)

        return mkdir

    def _getcwd(self, original):
        def getcwd():
            return self._layer.cwd()

        return getcwd

    def _listdir(self, original):
        def listdir(path="."):
            name = self._named(path)
            if name is None:
                return original(path)
            found = self._layer.entries(name)
            return [os.fsencode(entry) for entry in found] if isinstance(path, bytes) else found

        return listdir

    def _scandir(self, original):
        def scandir(path="."):
            name = self._named(path)
            if name is None:
                return original(path)
            return _Entries(path, self._layer.entries(name))

        return scandir


class _Entries:
    """What ``os.scandir`` returns."""

    def __init__(self, folder, names):
        self._found = iter([_Entry(folder, name) for name in names])

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._found)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Nothing is held open."""


class _Entry:
    """An ``os.DirEntry`` that asks anew each time."""

    def __init__(self, folder, name):
        self.name = os.fsencode(name) if isinstance(folder, bytes) else name
        self.path = os.path.join(folder, self.name)

    def __fspath__(self):
        return self.path

    def __repr__(self):
        return "<DirEntry %r>" % self.name

    def inode(self):
        """Of the file that is seen."""
        return os.lstat(self.path).st_ino

    def is_symlink(self):
        """Whether it is a symbolic link."""
        return os.path.islink(self.path)

    def is_dir(self, *, follow_symlinks=True):
        """Whether it is a folder."""
        return os.path.isdir(self.path) and (follow_symlinks or not self.is_symlink())

    def is_file(self, *, follow_symlinks=True):
        """Whether it is a file."""
        return os.path.isfile(self.path) and (follow_symlinks or not self.is_symlink())

    def stat(self, *, follow_symlinks=True):
        """Its status."""
        return os.stat(self.path) if follow_symlinks else os.lstat(self.path)


def _by_paths(shutil, *_):
    """Rmtree removes through descriptors of folders, where we see no names; it has another way, for systems without those."""
    shutil._use_fd_functions = False


def _like(path, text):
    return os.fsencode(text) if isinstance(path, bytes) else text
