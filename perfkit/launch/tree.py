"""The tree of processes under the supervised one, and the role of each.

Once seen, a process stays a member until it ends, also when its parent dies before it. The search for new
members reads the whole process table, so it is repeated less often where that is large.
"""

from __future__ import annotations

import os
import time

from . import procfs

# A refresh may take this part of one core, and is never more frequent than MIN_REFRESH_S.
REFRESH_SHARE = 0.004
MIN_REFRESH_S = 0.5


class Tree:
    """Members of the tree under *root*, by pid; `roles` says what each is."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.roles: dict[int, str] = {}
        self._started: dict[int, int] = {}
        self._commands: dict[int, list[str]] = {}
        self._next_refresh = 0.0

    def read(self) -> list[procfs.Stat]:
        """Figures of every member that lives. Empty when the tree has ended."""
        if time.monotonic() >= self._next_refresh:
            self._refresh()
        read = (procfs.read_stat(pid) for pid in self._started)
        alive = [s for s in read if s is not None and s.state != "Z" and self._started[s.pid] == s.start_ticks]
        if len(alive) < len(self._started):
            living = {stat.pid for stat in alive}
            self._started = {pid: start for pid, start in self._started.items() if pid in living}
        return alive

    def _refresh(self) -> None:
        before = time.thread_time()
        table = procfs.all_stats()
        children: dict[int, list[procfs.Stat]] = {}
        for stat in table.values():
            if stat.pid == os.getpid():
                continue  # a watcher is a child of the process it watches
            children.setdefault(stat.parent, []).append(stat)
        self._add([table[self.root]] if self.root in table else [])
        pending = list(self._started)
        while pending:
            found = children.get(pending.pop(), [])
            self._add(found)
            pending.extend(stat.pid for stat in found)
        cost = time.thread_time() - before
        self._next_refresh = time.monotonic() + max(MIN_REFRESH_S, cost / REFRESH_SHARE)

    def _add(self, stats: list[procfs.Stat]) -> None:
        for stat in stats:
            if self._started.get(stat.pid) != stat.start_ticks:
                self._started[stat.pid] = stat.start_ticks
                self.roles.pop(stat.pid, None)
            if self.roles.get(stat.pid) in {None, "worker"}:
                self.roles[stat.pid] = self._role(stat)

    def _role(self, stat: procfs.Stat) -> str:
        if stat.pid == self.root:
            return "main"
        command = self._commands[stat.pid] = procfs.read_command(stat.pid)
        parent = self._commands.get(stat.parent) or procfs.read_command(stat.parent)
        return role_of(stat.name, command, parent)


def role_of(name: str, command: list[str], parent_command: list[str]) -> str:
    """What a descendant is, by its thread name (torch names its loader workers), command and parent's
    command.
    """
    line = " ".join(command)
    if name.startswith("pt_data_worker"):
        return "loader worker"
    if "compile_worker" in line:
        return "compile worker"
    if "resource_tracker" in line or "forkserver" in line:
        return "other"
    forked = bool(command) and command == parent_command
    return "worker" if forked or "multiprocessing.spawn" in line or "--multiprocessing-fork" in line else "other"
