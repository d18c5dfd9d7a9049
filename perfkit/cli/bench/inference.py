"""`perfkit bench inference`: parse, run, print, and say by the exit code whether it is right and fast enough."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import UsageError
from .. import options
from ..exit_codes import INCONCLUSIVE, REGRESSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...bench.inference import Wanted
    from ...bench.subject import Subject


@click.command(
    "inference",
    epilog="Exit codes: 0 fine; 3 when outputs are not those that were kept, or the server scenario is beyond --limit; 4 when there were too few queries to tell.",
)
@click.argument("model_spec")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="SPEC",
    help='An input, made: "ids:int64[{batch},128]<30000", "float32[{batch},3,224,224]"; repeatable.',
)
@click.option(
    "--inputs",
    "provider",
    metavar="MODULE:FUNCTION",
    help="Your own function instead: called with the batch size, it gives the inputs.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="NAME",
    help="single-stream, multi-stream, server, offline; repeatable (else all four).",
)
@click.option("--for", "seconds", metavar="T", default="5s", show_default=True, help="Time for each scenario.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="R",
    help="Queries per second of the server scenario (else 70 % of what one worker can do).",
)
@click.option("--limit", metavar="T", help="What p99 of the server scenario may be, as 15ms.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads that answer in the server scenario.",
)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Samples of a single-stream query.")
@click.option("--batches", metavar="N,N", help="Sweep these batch sizes too.")
@click.option("--clients", is_flag=True, help="Sweep the number of clients too, until more of them stop paying.")
@click.option(
    "--keep-outputs", type=click.Path(path_type=Path), metavar="FILE", help="Keep its outputs, to check others against."
)
@click.option(
    "--check-outputs",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check its outputs against those that were kept.",
)
@click.option("--rtol", type=float, help="Relative tolerance of that (else by their type).")
@click.option("--atol", type=float, help="Absolute tolerance of that (else by their type).")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the server's arrival times.")
@options.json_file
@options.quiet
@options.no_color
def command(model_spec: str, **given: Any) -> int:
    """Measure how a model answers under load, and check that it still answers the same.

    \b
    perfkit bench inference serve.py:model --input "float32[{batch},3,224,224]"
    perfkit bench inference model.pt2 --input "ids:int64[{batch},128]<30000" --batches 1,2,4,8
    perfkit bench inference app:predict --inputs app:examples --scenario server --rate 50 --limit 15ms
    """  # noqa: D301
    from ...bench import inference
    from ...report import bench_table
    from . import saying

    wanted = _wanted(given)
    subject, make = _model(model_spec, given)
    document = inference.Bench(subject=subject, make=make, wanted=wanted, say=saying.progress(given)).run()
    color = False if given["no_color"] else None
    saying.show(document, given, lambda stream: bench_table.show(document, stream, color=color))
    return exit_code(document)


def exit_code(document: dict[str, Any]) -> int:
    """3 for wrong outputs or a limit that was not kept, 4 for too few queries, else 0."""
    from ...bench import inference

    if inference.wrong(document) or inference.slow(document):
        return REGRESSION
    return 0 if all(row["verdict"]["valid"] for row in document["scenarios"]) else INCONCLUSIVE


def _model(spec: str, given: dict[str, Any]) -> tuple[Subject, Callable[[int], Any]]:
    from ...bench import inputs, subject

    if bool(given["inputs"]) == bool(given["provider"]):
        raise UsageError(
            'what is it asked? give --input "float32[{batch},16]" for each input, or --inputs module:function'
        )
    model = subject.load(spec)
    if given["provider"]:
        return model, inputs.provider(given["provider"])
    return model, inputs.maker([inputs.parse(text) for text in given["inputs"]], model.framework)


def _wanted(given: dict[str, Any]) -> Wanted:
    from ...bench.inference import SCENARIOS, Wanted

    return Wanted(
        scenarios=given["scenarios"] or SCENARIOS,
        seconds=options.seconds(given["seconds"], "--for"),
        rate=given["rate"],
        limit_s=_limit(given["limit"]),
        workers=given["workers"],
        batch=given["batch"],
        batches=_numbers(given["batches"]),
        clients=given["clients"],
        check=given["check_outputs"],
        keep=given["keep_outputs"],
        rtol=given["rtol"],
        atol=given["atol"],
        seed=given["seed"],
    )


def _limit(text: str | None) -> float | None:
    if text is None:
        return None
    number, unit = (text[:-2], 1e-3) if text.endswith("ms") else (text.removesuffix("s"), 1.0)
    try:
        found = float(number) * unit
    except ValueError:
        raise UsageError(f"--limit {text}: write 15ms or 0.2s") from None
    if found <= 0:
        raise UsageError("--limit must be longer than nothing")
    return found


def _numbers(text: str | None) -> tuple[int, ...]:
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    if not all(word.isdigit() and int(word) > 0 for word in words):
        raise UsageError(f"--batches {text}: write sizes, as 1,2,4,8")
    return tuple(int(word) for word in words)
