"""The shape of a line: its text with every number taken out.

A program prints few shapes and many numbers. What a line means follows from its shape alone, so it is worked out once per shape
(`plans`) and then costs one look-up per line.
"""

from __future__ import annotations

import re

#: Stands for a number; cleaned lines hold no NUL of their own.
PLACE = "\x00"
#: A number that is not part of a word (``Acc@1``, ``layer3``, the second dot of ``2.13.0``). Its sign stays in the shape. It begins
#: with a plain digit class because the regex engine then skips to the next digit; the look-behind comes after it.
NUMBER = re.compile(r"(\d(?<![A-Za-z_@.\d]\d)\d*(?:,\d{3}(?!\d))*(?:\.\d*)?(?:[eE][-+]?\d+)?)")

_MASK = re.compile(
    r"(?<![a-z0-9+.\-])[a-z][a-z0-9+.\-]{1,20}://[^\s'\"]+"  # addresses
    r"|(?<![\w.])(?:[A-Za-z]:\\|~?/|\.{1,2}/)[^\s'\":,;()]+"  # paths
    r"|\b(?=[0-9a-fA-F-]{0,36}\d)[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\b"  # UUIDs
    r"|\b(?:0x[0-9a-fA-F]+|(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{7,64})\b"  # hashes and addresses in memory
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b"  # IPv4
    r"|(?<![\w@])[A-Za-z_]+\d\w*(?![\w@]|'s |[\"']?\s*[:=(\[]|\s+[-+]?\d)"  # words with digits, where they name no number
)
MASKED = "<*>"
#: Characters of a line in which they are looked for.
MAX_MASKED = 4096
#: No run counts further; a step is kept in 64 bits, also when it is an epoch's number times its length.
MAX_WHOLE = 2**40


def masked(body: str) -> str:
    """*body* with addresses, paths, hashes and the like taken out, which would give every line a shape of its own."""
    return _MASK.sub(MASKED, body[:MAX_MASKED]) + body[MAX_MASKED:]


def whole(token: str) -> int:
    """An epoch or a step; -1 where it is none that a counter could have."""
    if token.isdecimal() and len(token) < 12:
        return int(token)
    try:
        found = int(number(token))
    except (ValueError, OverflowError):
        return -1
    return found if 0 <= found < MAX_WHOLE else -1


def number(token: str) -> float:
    """What `NUMBER` found, as a float: ``12,288`` is 12288."""
    try:
        return float(token)
    except ValueError:
        return float(token.replace(",", ""))
