"""The rules' manuals as one page, docs/rules.md: made from their docstrings, which a test keeps in step.

``python -m perfkit.advise.manual`` prints it.
"""

from __future__ import annotations

from .registry import Rule, all_rules

HEAD = """# Rules

What `perfkit profile` may advise, and what each piece of advice rests on. A rule speaks only with evidence;
where that could not be had it is skipped, and `perfkit report -v` says why. `saves` is a fraction of the mean
steady wall time per sample, as an interval: the low end is what a person should count on. Findings that compete
for the same time are not added up. On a CPU the high end lies a little above what a rule's own section
says, by how far trials on other people's scripts went beyond it (`perfkit.advise.calibration`). `perfkit explain RULE` prints a rule's section.

This page is made from the rules' docstrings by `python -m perfkit.advise.manual`.
"""


def page() -> str:
    """The whole page as Markdown."""
    return HEAD + "".join(_section(rule) for rule in all_rules().values())


def _section(rule: Rule) -> str:
    title, _, body = rule.manual.partition("\n")
    needs = ", ".join(f"`{name}`" for name, required in rule.asks.items() if required)
    text = body.strip().replace("``", "`")
    return f"\n## {rule.name}\n\n**{title.strip()}**\n\n{text}\n\nCannot judge without: {needs}.\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
