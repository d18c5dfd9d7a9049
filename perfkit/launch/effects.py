"""What a run was seen to do outside its own folder, and what of that a trial would do again.

Recorded by the guest where ``watch`` is asked for (`inside.effects`). It sees Python and the libraries named in `inside.writers`;
what other native code or another program writes, it does not see.
"""

from __future__ import annotations

import ipaddress
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..runs import layout
from ..runs.reader import Run
from .sandbox.place import Way

Kind = Literal["write", "delete", "connect", "command"]

#: Programs that act somewhere else than in the files and processes of this machine that a sandbox holds.
REMOTE = frozenset(
    [
        "aws",
        "az",
        "bq",
        "curl",
        "docker",
        "ftp",
        "gcloud",
        "git",
        "gsutil",
        "huggingface-cli",
        "hf",
        "kubectl",
        "mail",
        "mlflow",
        "nc",
        "ncat",
        "podman",
        "qsub",
        "rclone",
        "rsync",
        "s3cmd",
        "sbatch",
        "scp",
        "sendmail",
        "sftp",
        "srun",
        "ssh",
        "systemctl",
        "systemd-run",
        "wandb",
        "wandb-core",
        "wget",
    ]
)


@dataclass(frozen=True, kw_only=True, order=True)
class Effect:
    """One thing done to the world outside the script's folder."""

    kind: Kind
    #: A path, ``host:port``, or a program's name.
    what: str

    def __str__(self) -> str:
        """As a person would say it."""
        verb = {"write": "writes", "delete": "deletes", "connect": "connects to", "command": "runs"}[self.kind]
        return f"{verb} {self.what}"


def effects(run: Run) -> list[Effect]:
    """Writes outside the script's folder and the temporary ones, deletions of what it did not make, connections, programs."""
    lines = [(str(line.get("effect")), str(line.get("what"))) for line in run.jsonl(layout.EFFECTS)]
    written = {what for kind, what in lines if kind == "write"}
    inner = _inner_folders(run)
    found: set[Effect] = set()
    for kind, what in lines:
        if kind == "write" and not _below(what, inner):
            found.add(Effect(kind="write", what=what))
        elif kind == "delete" and what not in written and not _below(what, _temporary()):
            found.add(Effect(kind="delete", what=what))
        elif kind == "connect" and (peer := _peer(what)):
            found.add(Effect(kind="connect", what=peer))
        elif kind == "command" and not what.startswith(("python", "pt_main")):
            found.add(Effect(kind="command", what=what))
    return sorted(found)


def repeated(found: Iterable[Effect], way: Way) -> list[Effect]:
    """Those that a trial would really do again in a sandbox of this kind.

    In an overlay, and behind landlock's wall, nothing that is written or deleted reaches the disk, whichever program does it;
    what leaves the machine does.
    """
    if way == "functions":
        return list(found)
    return [e for e in found if e.kind == "connect" or (e.kind == "command" and e.what in REMOTE)]


def _inner_folders(run: Run) -> list[Path]:
    """The script's folder (of a module or a command the one it was started in, as far as that is known), and temporary ones."""
    script = run.info.script
    folder = [Path(script).absolute().parent] if script and run.info.options.get("kind") == "script" else [Path.cwd()]
    return [*folder, *_temporary()]


def _temporary() -> list[Path]:
    return [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp/")]  # noqa: S108 - names to compare with


def _below(path: str, folders: Iterable[Path]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _peer(what: str) -> str | None:
    """``name:port`` of another machine; None for this one."""
    host, _, rest = what.partition(" ")
    port, _, name = rest.partition(" ")
    if host.startswith("unix:"):
        return None
    if host in _own_addresses():
        return None
    try:
        if ipaddress.ip_address(host.partition("%")[0]).is_loopback:
            return None
    except ValueError:
        if host == "localhost":
            return None
    return f"{name or host}:{port}"


def _own_addresses() -> set[str]:
    import psutil

    return {address.address.partition("%")[0] for found in psutil.net_if_addrs().values() for address in found}
