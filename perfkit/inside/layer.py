"""A copy-on-write layer over the file system, by names: what is written goes below a scratch folder, reads see it there.

A file that was written lies at its own absolute path below ``files``; one that was removed has a note at its path below ``gone``.
So every process that is given the same scratch folder sees the same.
"""

import errno
import os

_COPY_BYTES = 1 << 20
_NOTE = ".gone"

# As they are before anything is replaced.
_open, _close, _read, _write = os.open, os.close, os.read, os.write
_lstat, _stat, _mkdir, _remove, _rmdir, _rename = os.lstat, os.stat, os.mkdir, os.remove, os.rmdir, os.rename
_listdir, _readlink, _symlink, _getcwd = os.listdir, os.readlink, os.symlink, os.getcwd


class Layer:
    """Where to read and where to write. Paths given and returned are strings; `name` makes them from what a caller has."""

    def __init__(self, scratch, passing):
        self._files, self._gone = os.path.join(scratch, "files"), os.path.join(scratch, "gone")
        # Kernel interfaces and devices, the run's own folder and temporary files are what they are.
        self._passing = tuple(
            folder.rstrip("/") + "/" for folder in ("/dev", "/proc", "/sys", scratch, *passing) if folder
        )
        _make_folders(self._files)

    def name(self, path):
        """The absolute path that *path* means to the script; None for one that is none of the layer's business."""
        found = os.path.normpath(os.path.join(self.cwd(), os.fsdecode(path)))
        if found.startswith(self._files + "/"):
            return found[len(self._files) :]
        return None if (found + "/").startswith(self._passing) else found

    def cwd(self):
        """The current folder as the script is to see it, though it may be one that exists in the layer only."""
        found = _getcwd()
        return found[len(self._files) :] or "/" if (found + "/").startswith(self._files + "/") else found

    def visible(self, name):
        """Where *name* is to be read: in the layer, or below it; a path at which there is nothing if it was removed."""
        above = self._files + name
        return above if _exists(above) or self._is_gone(name) else name

    def exists(self, name):
        """Whether the script sees something there."""
        return _exists(self.visible(name))

    def writable(self, name, keep):
        """Where *name* is to be written: in the layer, with what it held before if *keep*. A folder stays one."""
        above = self._files + name
        if not self._make_parents(name):
            return above  # no such folder: writing there says so
        if not _exists(above) and not self._is_gone(name) and (_is_folder(name) or (keep and _exists(name))):
            _copy(name, above)
        self._forget_gone(name)
        return above

    def remove(self, name, remove):
        """Remove a file or an empty folder with *remove*, ``os.remove`` or ``os.rmdir``."""
        above = self._files + name
        if remove is _rmdir and self.exists(name) and self.entries(name):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
        if not self.exists(name):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        if _exists(above):
            remove(above)
        self._note_gone(name)

    def move(self, source, target, move):
        """Rename by *move*, ``os.rename`` or ``os.replace``; either name may be outside the layer (None) with its path given."""
        (source_name, source_path), (target_name, target_path) = source, target
        if source_name is not None:
            if not self.exists(source_name):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source_name)
            self.copy_up(source_name)
            source_path = self._files + source_name
        if target_name is not None:
            target_path = self.writable(target_name, keep=False)
        move(source_path, target_path)
        if source_name is not None:
            self._note_gone(source_name)

    def copy_up(self, name):
        """Bring what the script sees at *name*, a folder with all that is in it, into the layer."""
        seen = self.visible(name)
        if _is_folder(seen) and not os.path.islink(seen):
            entries = self.entries(name)
            _make_folders(self._files + name)
            for entry in entries:
                self.copy_up(name + "/" + entry)
        else:
            self.writable(name, keep=True)

    def entries(self, name):
        """Names in a folder: those in the layer, and those below it that were not removed."""
        above = self._files + name
        found = set()
        if _is_folder(above):
            found.update(_listdir(above))
        if not self._is_gone(name) and _is_folder(name):
            found.update(entry for entry in _listdir(name) if not self._is_gone(name + "/" + entry))
        elif not _is_folder(above):
            return _listdir(above)  # says what is wrong
        return sorted(found)

    # -- what is gone ----------------------------------------------------------------------------------------------

    def _is_gone(self, name):
        """Whether the name, or a folder that it lies in, was removed and not made again."""
        note = self._gone + name
        while len(note) > len(self._gone):
            if _exists(note + _NOTE):
                return True
            note = os.path.dirname(note)
        return False

    def _note_gone(self, name):
        if _exists(name):
            _make_folders(os.path.dirname(self._gone + name))
            _close(_open(self._gone + name + _NOTE, os.O_WRONLY | os.O_CREAT, 0o600))

    def _forget_gone(self, name):
        # A folder that is made again is empty: what lay in it stays gone, so each entry gets a note of its own.
        if not _exists(self._gone + name + _NOTE):
            return
        if _is_folder(name) and not os.path.islink(name):
            for entry in _listdir(name):
                self._note_gone(name + "/" + entry)
        _remove(self._gone + name + _NOTE)

    def _make_parents(self, name):
        parent = os.path.dirname(name)
        if not _is_folder(self._files + parent):
            if self._is_gone(parent) or not _is_folder(parent):
                return False
            _make_folders(self._files + parent)
        return True


def _exists(path):
    try:
        _lstat(path)
    except (OSError, ValueError):
        return False
    return True


def _is_folder(path):
    try:
        return (_stat(path).st_mode & 0o170000) == 0o040000
    except (OSError, ValueError):
        return False


def _make_folders(path):
    if not _is_folder(path):
        _make_folders(os.path.dirname(path))
        try:
            _mkdir(path)
        except FileExistsError:  # another process was faster
            pass


def _copy(source, target):
    if (_lstat(source).st_mode & 0o170000) == 0o120000:
        _symlink(_readlink(source), target)
        return
    if _is_folder(source):
        _make_folders(target)
        return
    reading = _open(source, os.O_RDONLY)
    try:
        writing = _open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _stat(source).st_mode & 0o7777 | 0o200)
        try:
            block = _read(reading, _COPY_BYTES)
            while block:
                while block:
                    block = block[_write(writing, block) :]
                block = _read(reading, _COPY_BYTES)
        finally:
            _close(writing)
    finally:
        _close(reading)
