"""Takes out of a line what was meant for the terminal, and makes text safe to show on one."""

from __future__ import annotations

import re

#: Escape sequences of ECMA-48: CSI (colours, cursor), OSC (titles, links), DCS/SOS/PM/APC strings, and the two-character ones.
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
#: What no line of text holds; tabs stay.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """*text* without escape sequences and control characters (tabs stay)."""
    if "\x1b" in text or "\x9b" in text or "\x9d" in text:
        text = _ESCAPE.sub("", text)
    return CONTROL.sub("", text)


def shown(text: str, most: int = 200) -> str:
    """*text* as it may be printed: no control or direction characters, blanks joined, at most *most* characters."""
    joined = " ".join(plain(text[: 4 * most]).split())
    safe = "".join(c if c.isprintable() else "?" for c in joined)
    return safe if len(safe) <= most else safe[: most - 1] + "…"
