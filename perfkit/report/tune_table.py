"""The table of a tune: what each fix was predicted to save, what it was measured to, and what to change.

At most 100 columns; on a terminal verdicts are coloured. Made from the document alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .layout import Line, Page, clean, cut, width_of
from .units import size

if TYPE_CHECKING:
    from .layout import Piece

Row = dict[str, Any]

MAX_WIDTH, MIN_WIDTH = 100, 60
HEADINGS = ("fix", "predicted", "measured saving (95 %)", "loss", "memory", "verdict")
STYLES = {"keep": "green", "drop": "red", "inconclusive": "yellow", "not-applicable": "dim"}
LOSSES = {"other training": "other run", "unknown": "–", "not finite": "not finite"}
# A change of memory smaller than this is none.
NO_CHANGE = 0.02
MAX_REASONS = 6
UNSEEN = "–"


def show(
    document: Row, stream: IO[str], *, verbose: int = 0, color: bool | None = None, width: int | None = None
) -> None:
    """Print the table to *stream*."""
    from .terminal import put_out

    put_out(lambda width: render(document, width=width, verbose=verbose), stream, color=color, width=width)


def render(document: Row, *, width: int = MAX_WIDTH, verbose: int = 0) -> list[Line]:
    """The table as styled lines, none of it wider than *width*, except the diff, which is to be copied."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    page.rule(clean(" ".join(["perfkit tune", *document["command"]])), _baseline(document))
    _table(document, page, verbose)
    _screening(document.get("screening"), page)
    _notes(document, page)
    _by_hand(document, page, verbose)
    _changes(document, page)
    page.lines.append(Line((("ledger  ", "bold"), (f"{_short(document['path'])}/tune.json", "dim"))))
    page.add(("next    ", "bold"), (_next(document), ""))
    return page.lines


def _short(path: str) -> str:
    """*path* as a person here would write it."""
    below = Path(path)
    return clean(below.relative_to(Path.cwd()) if below.is_relative_to(Path.cwd()) else below)


def _next(document: Row) -> str:
    if document["interrupted"]:
        return "perfkit tune --resume"
    if any(trial["verdict"] == "inconclusive" for trial in document["trials"]):
        return "the same with a larger --max-minutes, or on a quieter machine"
    if document["changes"]["diff"]:
        return "make the change, then see what is left: perfkit profile " + clean(document["command"][0])
    return "perfkit profile " + clean(document["command"][0])


def _baseline(document: Row) -> str:
    base = document["baseline"]
    if not base["seconds"]:
        return "nothing was measured"
    return f"{_rate(1 / base['seconds'])} {base['per']}s/s as it is"


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


# --- the table


def _table(document: Row, page: Page, verbose: int) -> None:
    trials = document["trials"]
    if not trials:
        page.add(("nothing worth trying was found", ""))
        return
    rows = [_cells(trial) for trial in trials if verbose or trial["verdict"] != "not-applicable"]
    whole = _whole(document["together"])
    columns = [HEADINGS, *rows, *([whole] if whole else [])]
    widths = [max(width_of(row[at]) for row in columns) for at in range(len(HEADINGS))]
    spare = page.width - sum(widths[1:]) - 2 * (len(HEADINGS) - 1)
    widths[0] = min(widths[0], max(spare, 16))
    page.add(*((text, "bold") for text, _ in _padded(HEADINGS, widths)))
    for row in rows:
        page.add(*_padded(row, widths, STYLES.get(row[-1], "")))
    if whole:
        page.add(*_padded(whole, widths, "bold"))
    _reasons(trials, page, verbose)


def _padded(row: tuple[str, ...], widths: list[int], style: str = "") -> list[Piece]:
    pieces: list[Piece] = []
    for at, (text, width) in enumerate(zip(row, widths, strict=True)):
        is_last = at == len(row) - 1
        fitted = "".join(piece for piece, _ in cut([(text, "")], width))
        filled = fitted if is_last else fitted + " " * (width - width_of(fitted) + 2)
        pieces.append((filled, style if is_last else ""))
    return pieces


def _cells(trial: Row) -> tuple[str, ...]:
    return (
        clean(trial["label"]),
        _predicted(trial["predicted"]),
        measured(trial["estimate"], trial["measured"]),
        LOSSES.get(trial["loss"]["state"], trial["loss"]["state"]),
        _memory(trial["memory"]),
        trial["verdict"],
    )


def _predicted(found: Row | None) -> str:
    if found is None:
        return UNSEEN
    low, high = round(found["low"] * 100), round(found["high"] * 100)
    return f"{low} %" if low == high else f"{low}…{high} %"


def measured(estimate: float | None, found: Row | None) -> str:
    """``44.1 % [42.0, 45.9]``; an end that nothing bounds is left open, as ``[…, 45.9]``. What takes more than twice as long
    is told as a factor, ``14.4× as long``: a loss of more than everything says little.
    """
    if estimate is None or found is None:
        return UNSEEN
    if estimate < -1:
        return f"{1 - estimate:.1f}× as long"
    ends = [_percent(found[end]) if found[end] is not None and abs(found[end]) < 10 else "…" for end in ("low", "high")]
    return f"{_percent(estimate)} % [{ends[0]}, {ends[1]}]" if set(ends) != {"…"} else f"{_percent(estimate)} % […]"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}".replace("-", "−")


def _memory(found: Row) -> str:
    if found["change"] is None:
        return UNSEEN
    if abs(found["change"]) < NO_CHANGE:
        return "same"
    more = found["bytes"] - found["baseline_bytes"]
    return f"{'+' if more > 0 else '−'}{size(abs(more))}"


def _whole(together: Row | None) -> tuple[str, ...] | None:
    if together is None or together["measured"] is None:
        return None
    count = len(together["fixes"])
    name = "all kept together" if count > 1 else "kept"
    says = f"{together['speedup']:.2f}× throughput" if together["verdict"] == "keep" else together["verdict"]
    loss = LOSSES.get(together["loss"]["state"], together["loss"]["state"])
    return name, "", measured(together["estimate"], together["measured"]), loss, _memory(together["memory"]), says


def _reasons(trials: list[Row], page: Page, verbose: int) -> None:
    """Why a fix was not kept, where its row does not say it; what did not apply in one line unless all is wanted."""
    told = [t for t in trials if t["verdict"] in ("drop", "inconclusive") or (verbose and t["verdict"] != "keep")]
    told += [t for t in trials if t["verdict"] == "keep" and t["reason"] != "faster"]
    if told:
        page.blank()
    for trial in told if verbose else told[:MAX_REASONS]:
        page.paragraph(f"{clean(trial['label'])}: {clean(trial['reason'])}", indent=2, style="dim")
    silent = [clean(t["label"]) for t in trials if t["verdict"] == "not-applicable"]
    if silent and not verbose:
        page.paragraph(f"not applicable here: {', '.join(silent)} (why: -v)", indent=2, style="dim")


def _screening(found: Row | None, page: Page) -> None:
    """What was tried within one process beforehand."""
    if found is None or found["broken"]:
        return
    survivors = [clean(fix["label"]) for fix in found["fixes"] if fix["state"] == "survives"]
    text = (
        f"{len(found['fixes'])} fixes took turns with the plain script within one process, {found['steps']} steps each"
    )
    page.paragraph(f"{text}; went on to the rounds: {', '.join(survivors) or 'none'}", indent=2, style="dim")


def _notes(document: Row, page: Page) -> None:
    for note in document["notes"]:
        page.paragraph(f"note: {clean(note)}", indent=2, style="yellow")


def _by_hand(document: Row, page: Page, verbose: int) -> None:
    found = document["by_hand"]
    if not found:
        return
    page.blank()
    page.add(
        ("by hand", "bold"), ("  advised, and nothing that can be applied from inside: perfkit explain RULE", "dim")
    )
    for finding in found if verbose else found[:3]:
        saves = _predicted(finding["predicted"])
        page.paragraph(f"{clean(finding['title'])} ({finding['rule']}, would save {saves})", indent=2)


# --- the change


def _changes(document: Row, page: Page) -> None:
    found = document["changes"]
    if not (found["diff"] or found["by_hand"] or found["arguments"]):
        return
    page.blank()
    page.add(
        ("to keep it", "bold"),
    )
    for line in found["diff"].splitlines():
        style = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
        page.lines.append(Line(((_plain(line), style),)))
    for label, how in found["by_hand"].items():
        page.add((f"  {clean(label)}:", ""))
        for line in how.splitlines():
            page.lines.append(Line(((f"    {_plain(line)}", "green"),)))
    if found["arguments"]:
        page.add(("  start it with ", ""), (clean(" ".join(found["arguments"])), "green"))
    page.blank()


def _plain(line: str) -> str:
    """Without control characters, and with its margin as it is."""
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in line)
