"""How much memory this process may still take: of the machine's, and of what its container is allowed."""

import os

# Where nothing tells, as little as every machine that trains a model has to spare.
UNKNOWN = 2 << 30
# (limit, in use) of a container's memory: control groups of version 2, and of version 1.
GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def memory_left():
    """Bytes; of several processes of one training on this machine, each one's part."""
    found = [_of_the_machine(), *map(_of_a_group, GROUPS)]
    known = [size for size in found if size is not None]
    ranks = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(0, min(known, default=UNKNOWN)) // max(1, int(ranks) if ranks.isdigit() else 1)


def _of_the_machine():
    try:
        with open("/proc/meminfo", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass  # another system
    return None


def _of_a_group(files):
    try:
        limit, used = (_number(path) for path in files)
    except (OSError, ValueError):  # there is none, or it says "max"
        return None
    return limit - used


def _number(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return int(file.read())
