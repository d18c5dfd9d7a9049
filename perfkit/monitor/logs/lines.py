"""Bytes as they come, in pieces of any size, to lines of text."""

from __future__ import annotations

import codecs

#: Characters of a line that are kept. Longer ones are data, not messages; the rest is passed over and counted.
MAX_LINE = 64 * 1024
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Lines:
    """Cuts a stream into lines. A line that was only drawn over (a progress bar) keeps its ``\\r`` at the end.

    Invalid UTF-8 becomes U+FFFD and is counted; a byte-order mark says what the encoding is. Never holds more than one line.
    """  # noqa: D301

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._head = b""
        self._rest = ""
        self._skipping = False
        #: Characters that could not be decoded, lines that were cut, characters that were lost by that.
        self.undecodable = 0
        self.cut_lines = 0
        self.cut_characters = 0

    def feed(self, data: bytes) -> list[str]:
        """The lines that end in *data*, without their line ends; redraws end in ``\\r``. What has no end yet is kept."""  # noqa: D301
        return self._split(self._decode(data))

    @property
    def rest(self) -> str:
        """What has no end yet."""
        return self._rest

    def close(self) -> list[str]:
        """The last line, if it had no end."""
        tail = self._decode(b"", final=True)
        found = self._split(tail + "\n") if tail or self._rest else []
        self._decoder, self._skipping = None, False
        return found

    def _decode(self, data: bytes, *, final: bool = False) -> str:
        if self._decoder is None:
            data, self._head = self._head + data, b""
            if any(mark.startswith(data) for mark, _ in _MARKS) and not final:
                self._head = data  # it may yet become a mark
                return ""
            mark, encoding = next((m for m in _MARKS if data.startswith(m[0])), (b"", "utf-8"))
            self._decoder = codecs.getincrementaldecoder(encoding)("replace")
            data = data[len(mark) :]
        text = self._decoder.decode(data, final)
        if not text.isascii():
            self.undecodable += text.count("\ufffd")
        return text

    def _split(self, text: str) -> list[str]:
        joined = self._rest + text
        pieces = joined.split("\n")
        if self._skipping:
            self.cut_characters += len(pieces[0]) - len(self._rest)
            if len(pieces) == 1:
                return []
            pieces[0] = self._rest
            self._skipping = False
        rest, found = pieces.pop(), pieces
        if "\r" in joined:
            found = [part for piece in pieces for part in _redraws(piece)]
            rest = self._drawn(rest, found)
        if len(rest) > MAX_LINE:
            self.cut_lines += 1
            self.cut_characters += len(rest) - MAX_LINE
            rest, self._skipping = rest[:MAX_LINE], True
        self._rest = rest
        if found and len(max(found, key=len)) > MAX_LINE:
            found = [self._cut(line) for line in found]
        return found

    def _drawn(self, rest: str, found: list[str]) -> str:
        """Hand out what is already drawn over in an unfinished line; a ``\\r`` at its end may yet become ``\\r\\n``."""  # noqa: D301
        last = rest.rfind("\r", 0, len(rest) - 1)
        if last < 0:
            return rest
        found.extend(part + "\r" for part in rest[:last].split("\r") if part)
        return rest[last + 1 :]

    def _cut(self, line: str) -> str:
        if len(line) <= MAX_LINE:
            return line
        self.cut_lines += 1
        self.cut_characters += len(line) - MAX_LINE
        return line[:MAX_LINE] + ("\r" if line.endswith("\r") else "")


def _redraws(piece: str) -> list[str]:
    """``a\\rb`` as ``a\\r`` and ``b``; the ``\\r`` of a Windows line end is none."""  # noqa: D301
    if "\r" not in piece:
        return [piece]
    parts = piece.rstrip("\r").split("\r")
    return [*(part + "\r" for part in parts[:-1] if part), parts[-1]]
