"""Rows under a header: Keras's and Lightning's CSVLogger, in a file of their own or between other lines."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from .labels import meaning

#: Names joined by one separator, with no blanks around them that a sentence would have.
_HEADER = {
    mark: re.compile(rf"^\"?[A-Za-z_][\w@/.: \-]*\"?(?:{re.escape(mark)}\"?[A-Za-z_][\w@/.: \-]*\"?)+$") for mark in (",", ";", "\t")
}  # fmt: skip
_BLANK_BEHIND = re.compile(r"[,;] ")
_KNOWN = re.compile(r"\b(?:epoch|step|iter\w*|loss|\w*_loss|acc\w*|val_\w+|train_\w+|lr|learning_rate)\b", re.I)
#: What stands for a value that is not there.
MISSING = {"", "NA", "N/A", "None", "null", "-", "--"}


@dataclass
class Row:
    """One row, read."""

    values: dict[str, float]
    step: int | None
    epoch: int | None
    missing: int


def separator_of(message: str) -> str:
    """What separates the columns that *message* names; "" if it is no header."""
    if _BLANK_BEHIND.search(message):
        return ""
    return next(
        (mark for mark, form in _HEADER.items() if mark in message and form.match(message) and _KNOWN.search(message)),
        "",
    )


class Table:
    """Reads rows under *header*. A row of another width, or one that is no row, is refused."""

    def __init__(self, header: str, separator: str) -> None:
        self.separator = separator
        self.columns = [name.strip().strip('"') for name in header.split(separator)]
        self._meanings = [meaning(name, None, split="train", joined=True) for name in self.columns]

    def row(self, text: str) -> Row | None:
        """The row that *text* is; None if it is none of this table's."""
        fields = text.rstrip().split(self.separator)
        if '"' in text:
            fields = next(csv.reader([text.rstrip()], delimiter=self.separator), [])
        if len(fields) != len(self.columns):
            return None
        found = Row({}, None, None, 0)
        read = 0
        for said, field in zip(self._meanings, fields, strict=True):
            if field.strip() in MISSING:
                found.missing += 1
                continue
            try:
                number = float(field)
            except ValueError:
                continue
            read += 1
            self._take(found, said.role, said.name, number * said.scale)
        return found if read else None

    def _take(self, found: Row, role: str, name: str, number: float) -> None:
        if role == "epoch":
            found.epoch = int(number)
        elif role in ("step", "position"):
            found.step = int(number)
        elif name:
            found.values[name if "/" in name else f"train/{name}"] = number
