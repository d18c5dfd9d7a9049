"""`perfkit bench selftest`: run the gate on nothing and on known slowdowns, and say how often it was right."""

from __future__ import annotations

from typing import Any

import click

from .. import options


@click.command("selftest")
@click.option(
    "--aa", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="Benchmarks without a change."
)
@click.option(
    "--each", type=click.IntRange(1), default=10, show_default=True, metavar="N", help="Benchmarks with each slowdown."
)
@click.option(
    "--effect",
    "effects",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    default=(2.0, 5.0),
    show_default=True,
    metavar="PERCENT",
    help="A slowdown that is put in; repeatable.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="M",
    help="No pair is begun that would end later.",
)
@options.json_file
@options.quiet
def command(aa: int, each: int, effects: tuple[float, ...], minutes: float, **given: Any) -> int:
    """Measure the gate itself on this machine: its rate of false alarms and its power, with their bounds.

    Benchmarks of NumPy products go through the gate as a project's own would. Some do the same on both sides, some do so many per cent more work.
    """
    from ...bench.gate.selftest import selftest
    from ...stats.gate import Rule
    from . import saying

    shares = [effect / 100 for effect in effects]
    document = selftest(aa=aa, each=each, effects=shares, minutes=minutes, rule=Rule(), say=saying.progress(given))
    saying.show(document, given, lambda stream: print(*told(document), sep="\n", file=stream))
    return 0


def told(document: dict[str, Any]) -> list[str]:
    """The rates as lines."""
    wrong = document["false_alarm"]
    lines = [
        f"no change: called changed in {wrong['rate']:.0%} of {wrong['runs']} (no more than {wrong['upper95']:.1%}, 95 %), "
        f"left open {wrong['inconclusive']}; {wrong['pairs']:.1f} pairs each"
    ]
    lines += [
        f"+{found['effect']:.0%}: found in {found['rate']:.0%} of {found['runs']} (no less than {found['lower95']:.0%}, 95 %), "
        f"called the same {found['called_same']}; the interval held it in {found['interval_holds']:.0%}"
        for found in document["power"]
    ]
    if cut := document["cut_short"]:
        lines.append(
            f"time was up before {cut} of {len(document['benchmarks'])} had all their pairs: give it more --minutes"
        )
    return lines
