"""`perfkit hardware [calibrate|list]`: what this machine's devices can do, what they reach, and what others could."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .show import STDOUT, write_json

if TYPE_CHECKING:
    from ..hardware.calibration import Calibration


@click.group(
    "hardware", invoke_without_command=True, short_help="What this machine's devices can do, and what they reach."
)
@options.json_file
@options.no_color
@click.pass_context
def command(ctx: click.Context, json_file: str | None, *, no_color: bool) -> None:
    """What this machine's devices can do at most, beside what they were measured to reach.

    \b
    perfkit hardware                         the devices here
    perfkit hardware calibrate               measure them (under a minute)
    perfkit hardware list [DEVICE]           the catalogue, with its sources
    """  # noqa: D301
    if ctx.invoked_subcommand is None:
        from ..hardware.overview import overview

        _put_out(overview(), json_file, no_color=no_color)


@command.command("calibrate")
@click.option(
    "--python", metavar="PYTHON", envvar="PERFKIT_PYTHON", help="The Python whose torch and image library are measured."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Time for measuring (20), besides what starting torch takes.",
)
@click.option("-o", "--output", metavar="FILE", help="Write a copy to FILE, which stands for this machine elsewhere.")
@options.results_dir
@options.json_file
@options.quiet
@options.no_color
def calibrate(**given: Any) -> None:
    """Measure what this machine reaches: matrix products by format, memory, copies to the device, starting kernels, the interpreter, decoding, the disk.

    It is kept in the user's cache, and shown by `perfkit hardware`. Nothing else should be at work meanwhile.
    """
    from ..hardware import calibrate as measuring
    from ..hardware import calibration as record
    from ..hardware.overview import overview
    from ..launch import interpreter

    asked = measuring.Asked(
        python=interpreter.choose(given["python"]).path,
        seconds=given["seconds"] or measuring.SECONDS,
        folder=_folder(given["results_dir"]),
    )
    if given["output"] is not None:
        record.check_writable(Path(given["output"]))
    made = measuring.calibrate(asked, lambda line: _say(line, quiet=given["quiet"]))
    if given["output"] is not None:
        record.write(made, Path(given["output"]))
    if given["json_file"] is not None:
        write_json(made.document, given["json_file"])
    if not given["quiet"]:
        _put_out(overview(), None, no_color=given["no_color"], to_stderr=given["json_file"] == STDOUT)
    _warn(made)


def _folder(results_dir: str | None) -> Path:
    """Where runs are kept, if there is such a folder: data sets often lie on the same disk. Else the cache's."""
    from ..errors import PerfkitError
    from ..hardware.measure import cache_folder
    from ..runs.settings import results_root

    root = results_root(results_dir).path
    if root.is_dir():
        return root
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PerfkitError(f"{cache_folder()}: cannot be made: {error.strerror}; set XDG_CACHE_HOME") from error
    return cache_folder()


def _say(line: str, *, quiet: bool) -> None:
    if not quiet:
        print(f"perfkit: {line}", file=sys.stderr, flush=True)


def _warn(made: Calibration) -> None:
    for path, why in made.suspect.items():
        print(f"perfkit: {path} cannot be: {why}", file=sys.stderr)


@command.command("list")
@click.argument("device", required=False)
@options.json_file
@options.no_color
def list_(device: str | None, json_file: str | None, *, no_color: bool) -> None:
    """The catalogue of accelerators; of DEVICE (h100, a100-pcie, "RTX 4090" …) every figure with its source."""
    from ..hardware import catalog
    from ..report import hardware_table

    specs = catalog.devices() if device is None else [catalog.find(device)]
    if json_file is not None:
        write_json({"schema_version": 1, "devices": [asdict(spec) for spec in specs]}, json_file)
        if json_file == STDOUT:
            return
    color = False if no_color else None
    if device is None:
        hardware_table.show_catalogue(specs, sys.stdout, color=color)
    else:
        hardware_table.show_entry(specs[0], sys.stdout, color=color)


def _put_out(document: dict[str, Any], json_file: str | None, *, no_color: bool, to_stderr: bool = False) -> None:
    """The document where it was asked for, and the table where that leaves room."""
    from ..report import hardware_table

    if json_file is not None:
        write_json(document, json_file)
    if json_file != STDOUT:
        hardware_table.show(document, sys.stderr if to_stderr else sys.stdout, color=False if no_color else None)
