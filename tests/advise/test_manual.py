"""docs/rules.md says what the rules' docstrings say."""

from pathlib import Path

from perfkit.advise.manual import page
from perfkit.advise.registry import all_rules

DOCS = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_page_is_in_step_with_the_docstrings():
    assert DOCS.read_text(encoding="utf-8") == page(), "run: python -m perfkit.advise.manual > docs/rules.md"


def test_every_line_of_a_list_belongs_to_it():
    for rule in all_rules().values():
        paragraphs = rule.manual.split("\n\n")
        lists = [each.strip("\n").splitlines() for each in paragraphs if each.lstrip("\n").startswith("- ")]
        assert all(line.startswith(("- ", "  ")) for lines in lists for line in lines), rule.name


def test_every_rule_has_its_section():
    text = page()
    assert all(f"\n## {name}\n" in text for name in all_rules())
