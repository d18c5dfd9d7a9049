"""Carries a command's output on, and a copy of it to perfkit while that lives: ``tee_process.py IN:OUT:COPY…`` (descriptors).

Run by location, with nothing but the standard library. It ends when every IN has ended, and by no signal that a terminal sends.
"""

import os
import select
import signal
import sys

SIZE = 65536


def main(words: list[str]) -> int:
    """Carry until the end."""
    _stay()
    ways = {int(read): (int(out), int(copy)) for read, out, copy in (word.split(":") for word in words)}
    for _, copy in ways.values():
        os.set_blocking(copy, False)
    _follow_size(ways)
    lost: set[int] = set()  # copies that nobody reads any more
    while ways:
        for read in select.select(list(ways), [], [])[0]:
            out, copy = ways[read]
            if not _carry(read, out, copy, lost):
                os.close(read)
                del ways[read]
    return 0


def _carry(read: int, out: int, copy: int, lost: set[int]) -> bool:
    """One portion; False at the end, and when nobody takes the output: the command then learns it as it would without us."""
    try:
        data = os.read(read, SIZE)
    except OSError:  # a terminal that everybody has closed
        return False
    if not data:
        return False
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(out, rest) :]
    except OSError:
        return False
    if copy not in lost:
        try:
            os.write(copy, data)
        except BlockingIOError:  # perfkit does not keep up: this part is not looked at
            pass
        except OSError:
            lost.add(copy)
    return True


def _stay() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTTOU", "SIGPIPE", "SIGUSR1", "SIGUSR2"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)


def _follow_size(ways: dict[int, tuple[int, int]]) -> None:
    """Terminals of ours are as large as the real ones, also when those change."""
    terminals = [(read, out) for read, (out, _) in ways.items() if os.isatty(read)]
    if not terminals:
        return
    import fcntl
    import termios

    def resized(*_: object) -> None:
        for read, out in terminals:
            try:
                fcntl.ioctl(read, termios.TIOCSWINSZ, fcntl.ioctl(out, termios.TIOCGWINSZ, bytes(8)))
            except OSError:
                continue

    signal.signal(signal.SIGWINCH, resized)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
