"""What the script is seen to do to the world outside its memory: names of files, hosts and programs, never what is in them.

An audit hook (PEP 578), which cannot be taken out again: it is put in only where it is asked for, in the run that a tuning begins
with. For an event that it does not know it costs a call and one look into a dictionary (0.6 µs on a busy machine); each name is
noted once.
"""

import os
import sys

from ..runs import layout
from ..runs.recorder import append_line, quoted
from .writers import WRITERS, watch_paths

MOST = 1000  # different effects that one process notes
MOST_LETTERS = 500  # of one name
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish")
_DATAGRAM = 2  # socket.SOCK_DGRAM, without the module


class Effects:
    """Notes the effects of this process, and of those forked from it, in the run's effects.jsonl."""

    def __init__(self, run_dir):
        self._run_dir = os.path.abspath(run_dir)
        self._file = os.path.join(self._run_dir, layout.EFFECTS)
        self._passed = (self._run_dir + os.sep, "/dev/", "/proc/", "/sys/")
        self._seen = set()
        self._asked_host = None  # the name last looked up: a connection only knows the address

    def arm(self, watch):
        """Put the hook in, and watch the writers that it cannot see."""
        handlers = {
            "open": self._open,
            "os.remove": self._delete,
            "os.rmdir": self._delete,
            "shutil.rmtree": self._delete,
            "os.rename": self._rename,
            "os.link": lambda args: self._write(args[1]),
            "os.symlink": lambda args: self._write(args[1]),
            "os.mkdir": lambda args: self._write(args[0], args[2]),
            "os.truncate": lambda args: self._write(args[0]),
            "os.chmod": lambda args: self._write(args[0], args[2]),
            "os.chown": lambda args: self._write(args[0], args[3]),
            "os.utime": lambda args: self._write(args[0], args[3]),
            "socket.getaddrinfo": self._ask,
            "socket.connect": self._connect,
            "socket.sendto": self._send,
            "subprocess.Popen": lambda args: self._command(args[0], args[1]),
            "os.posix_spawn": lambda args: self._command(args[0], args[1]),
            "os.exec": lambda args: self._command(args[0], args[1]),
            "os.system": lambda args: self._shell(args[0]),
        }
        find = handlers.get

        def hook(event, args):
            handler = find(event)
            if handler is not None:
                try:
                    handler(args)
                except Exception:  # what the hook raises, the script's own call would raise
                    pass

        sys.addaudithook(hook)
        watch_paths(watch, WRITERS, self._native)

    # -- files -----------------------------------------------------------------------------------------------------

    def _open(self, args):
        path, _, flags = args
        if flags & WRITING:
            self._write(path)

    def _native(self, path):
        self._write(path)
        return path

    def _write(self, path, folder_fd=-1):
        self._note("write", self._absolute(path, folder_fd))

    def _delete(self, args):
        self._note("delete", self._absolute(args[0], args[1] if len(args) > 1 else -1))

    def _rename(self, args):
        source, target, source_fd, target_fd = args
        self._note("delete", self._absolute(source, source_fd))
        self._write(target, target_fd)

    def _absolute(self, path, folder_fd):
        if isinstance(path, int):
            return None
        path = os.fsdecode(path)
        if isinstance(folder_fd, int) and folder_fd >= 0 and not os.path.isabs(path):
            path = os.path.join(os.readlink("/proc/self/fd/%d" % folder_fd), path)
        path = os.path.abspath(path)
        # Compiled modules are the interpreter's, not the script's.
        return None if path.startswith(self._passed) or "__pycache__" in path else path

    # -- the network -----------------------------------------------------------------------------------------------

    def _ask(self, args):
        host = args[0]
        self._asked_host = host.decode("ascii", "replace") if isinstance(host, bytes) else host

    def _connect(self, args):
        connection, address = args
        if connection.type & 0xF != _DATAGRAM:  # connecting one of those sends nothing
            self._peer(address)

    def _send(self, args):
        if len(args) > 1 and args[1] is not None:
            self._peer(args[1])

    def _peer(self, address):
        if isinstance(address, tuple):
            host, port = address[:2]
            named, self._asked_host = self._asked_host, None  # of one connection only
            named = "" if named == host else named
            self._note("connect", "%s %s %s" % (host, port, named or ""))
        else:
            self._note("connect", "unix:" + os.fsdecode(address))

    # -- programs --------------------------------------------------------------------------------------------------

    def _command(self, program, words):
        words = [os.fsdecode(word) for word in ([words] if isinstance(words, (str, bytes)) else words or [])]
        name = os.path.basename(os.fsdecode(program) if program else words[0])
        if name in _SHELLS and len(words) > 2 and words[1] == "-c":
            self._shell(words[2])
        else:
            self._note("command", name)

    def _shell(self, line):
        """The programs that a shell's line begins with, after each separator. Nothing else of the line is kept."""
        line = os.fsdecode(line)
        for separator in ("&&", "||", "|", ";", "&", "\n"):
            line = line.replace(separator, "\0")
        for part in line.split("\0"):
            words = [word for word in part.split() if "=" not in word]
            if words:
                self._note("command", os.path.basename(words[0].strip("\"'()`$")))

    # -- notes -----------------------------------------------------------------------------------------------------

    def _note(self, kind, what):
        if what is None or (kind, what) in self._seen or len(self._seen) >= MOST:
            return
        self._seen.add((kind, what))
        append_line(
            self._file,
            '{"effect": %s, "what": %s, "pid": %d}' % (quoted(kind), quoted(what[:MOST_LETTERS]), os.getpid()),
        )
