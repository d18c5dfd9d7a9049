"""The recorder: appends marks and facts to a rank's folder, and never costs the user's program more than that.

Lives in the user's process: Python 3.9, standard library only, never raises out. A full disk or an unwritable
directory ends the recording with a reason; the script goes on. Marks are buffered and written with one ``os.write``
to an O_APPEND descriptor per step, so a process killed at any moment loses at most the step it was in. (A memory
mapping would be cheaper still, but a full disk under a mapping is a SIGBUS in the user's program.)
"""

import os
import time
from struct import Struct

from ..model import marks
from . import layout

# Before its folder is claimed a process keeps at most this many marks (about 3 MB): enough for the start of any script,
# bounded for one that evaluates for hours before its first step.
UNCLAIMED_MARKS = 16384


pack = Struct("4q").pack
pack_pair = Struct("8q").pack


class Recorder:
    """Marks of one process.

    ``rows`` is the open buffer, a list of packed marks: probes append ``pack(time_ns, tag, a, b)``, or both ends of an
    interval at its end by one ``pack_pair``, and a flush is one join and one write. So marks of nested intervals lie in the file
    in the order of their ends; readers sort them by time.
    """

    def __init__(self, run_dir):
        self.run_dir = run_dir
        self.folder = None  # the rank's folder, once claimed
        self.rank = None
        self.rows = []
        self.facts = []
        self.failure = None  # why the recording ended early
        self.closed = False
        self._marks_fd = -1
        self._facts_fd = -1

    def claim(self, rank):
        """Make this process's folder by exclusive mkdir and open its files. Returns whether recording goes on."""
        if self.folder is not None or self.closed:
            return not self.closed
        try:
            self.folder = _claim_folder(self.run_dir, rank)
            self.rank = rank
            self._marks_fd = _append(os.path.join(self.folder, layout.MARKS))
            self._facts_fd = _append(os.path.join(self.folder, layout.FACTS))
            header = (marks.MAGIC, marks.VERSION, os.getpid(), time.monotonic_ns(), time.time_ns(), rank, 0, 0)
            self._write(self._marks_fd, Struct("%dq" % len(header)).pack(*header))
        except OSError as error:
            self.fail("cannot make the rank folder: %s" % error)
            return False
        for line in self.facts:
            self.fact(line)
        self.facts = []
        return not self.closed

    def mark(self, time_ns, tag, a=0, b=0):
        """Append one mark, where speed does not matter."""
        self.rows.append(pack(time_ns, tag, a, b))

    def flush(self):
        """Write what is buffered. Cheap when nothing is; called once per step.

        Another thread may append meanwhile (``os.write`` releases the GIL): exactly the rows that were packed are removed.
        """
        rows = self.rows
        if self._marks_fd < 0:
            self._drop_unclaimed(len(rows))
            return
        count = len(rows)
        if not count:
            return
        data = b"".join(rows[:count])
        del rows[:count]
        try:
            written = os.write(self._marks_fd, data)
            if written < len(data):
                self._write(self._marks_fd, data[written:])
        except OSError as error:
            self.fail("cannot write marks: %s" % error)

    def _drop_unclaimed(self, count):
        if self.closed:
            del self.rows[:count]
        elif count > UNCLAIMED_MARKS:
            del self.rows[: count - UNCLAIMED_MARKS // 2]

    def fact(self, line):
        """Append one JSON line (already encoded, without newline) to facts.jsonl, or keep it until claimed."""
        if self.closed:
            return
        if self._facts_fd < 0:
            self.facts.append(line)
            return
        try:
            self._write(self._facts_fd, line.encode("utf-8", "replace") + b"\n")
        except OSError as error:
            self.fail("cannot write facts: %s" % error)

    def fail(self, reason):
        """End the recording; the script goes on. The reason is left where the launcher looks for it."""
        if self.failure is None:
            self.failure = reason
        self.close()
        append_line(
            os.path.join(self.run_dir, layout.GUESTS), '{"pid": %d, "failed": %s}' % (os.getpid(), quoted(reason))
        )

    def close(self):
        """Flush nothing more; drop the descriptors."""
        self.closed = True
        for fd in (self._marks_fd, self._facts_fd):
            if fd >= 0:
                try:
                    os.close(fd)
                except OSError:
                    pass
        self._marks_fd = self._facts_fd = -1

    def drop_after_fork(self):
        """In a forked child: forget the parent's folder and buffer, so that the child can never write into them."""
        self.close()
        del self.rows[:]  # in place: probes hold the list itself
        self.facts = []
        self.folder = self.rank = self.failure = None
        self.closed = False

    @staticmethod
    def _write(fd, data):
        written = os.write(fd, data)
        while written < len(data):  # a short write: the disk is nearly full, or a signal came
            written += os.write(fd, data[written:])


def append_line(path, line):
    """Append one line to a file that several processes share; says whether it could."""
    try:
        fd = _append(path)
    except OSError:
        return False
    try:
        os.write(fd, line.encode("utf-8", "replace") + b"\n")
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def quoted(text):
    """*text* as a JSON string, without importing json."""
    out = []
    for char in str(text):
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif code < 32 or 0xD800 <= code <= 0xDFFF:
            out.append("\\u%04x" % code)
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def _append(path):
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)


def _claim_folder(run_dir, rank):
    for restart in range(10000):
        folder = os.path.join(run_dir, layout.rank_folder(rank, restart))
        try:
            os.mkdir(folder)
        except FileExistsError:
            continue
        return folder
    raise OSError("10000 processes have claimed rank %d" % rank)
