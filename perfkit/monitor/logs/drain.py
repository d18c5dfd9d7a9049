"""Templates of messages: a parse tree of fixed depth.

After P. He, J. Zhu, Z. Zheng and M. R. Lyu, "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017: a message is
led by its number of tokens and its first tokens to a leaf, and joins the leaf's most similar group where at least `SIMILAR` of the
tokens agree; what differs becomes a wildcard. Here the number of groups is bounded: the one not seen for longest makes room.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from operator import eq

ANY = "<*>"
#: Share of equal tokens from which a message belongs to a group (the paper finds 0.3–0.5 best on its data sets).
SIMILAR = 0.5
#: Tokens that lead down the tree, and branches of a node, beyond which tokens share one (both as in the paper's settings).
DEPTH = 2
MAX_BRANCHES = 100
#: Groups of a leaf that a message is compared with: the newest.
MAX_COMPARED = 50
#: Tokens of a message that are looked at.
MAX_TOKENS = 60


@dataclass(slots=True)
class Template:
    """A group of messages."""

    id: int
    tokens: list[str]
    #: Lines that were instances of it, the first one's number, source and text.
    count: int = 0
    first_line: int = 0
    source: str = ""
    example: str = ""
    #: The class of the lines, and their level.
    taken_for: str = "unknown"
    level: str = ""
    path: tuple[int | str, ...] = ()

    @property
    def text(self) -> str:
        """The message with wildcards."""
        return " ".join(self.tokens)


class Drain:
    """Groups messages. ``find`` gives the group of one; counting is the caller's."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._leaves: dict[tuple[int | str, ...], list[Template]] = {}
        self._branches: dict[tuple[int | str, ...], set[str]] = {}
        self._by_id: OrderedDict[int, Template] = OrderedDict()
        self._next = 1
        #: Groups that made room, and the lines that they had.
        self.forgotten = 0
        self.forgotten_lines = 0

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def templates(self) -> list[Template]:
        """All groups that are known now."""
        return list(self._by_id.values())

    def find(self, message: str) -> Template:
        """The group that *message* (numbers already masked) belongs to; a new one where none is similar."""
        tokens = message.split()[:MAX_TOKENS] or [""]
        path = self._path(tokens)
        leaf = self._leaves.setdefault(path, [])
        best, score = None, -1.0
        for template in leaf[-MAX_COMPARED:]:
            same = sum(map(eq, tokens, template.tokens)) / len(tokens)
            if same > score:
                best, score = template, same
                if same == 1.0:
                    break
        if best is None or score < SIMILAR:
            return self._new(tokens, path, leaf)
        if score < 1.0:
            best.tokens = [a if a == b else ANY for a, b in zip(tokens, best.tokens, strict=True)]
        self._by_id.move_to_end(best.id)
        return best

    def _path(self, tokens: list[str]) -> tuple[int | str, ...]:
        path: tuple[int | str, ...] = (len(tokens),)
        for token in tokens[:DEPTH]:
            word = ANY if any(c.isdigit() for c in token) or ANY in token else token
            known = self._branches.setdefault(path, set())
            if word not in known:
                if len(known) >= MAX_BRANCHES:
                    word = ANY
                known.add(word)
            path = (*path, word)
        return path

    def _new(self, tokens: list[str], path: tuple[int | str, ...], leaf: list[Template]) -> Template:
        made = Template(id=self._next, tokens=tokens, path=path)
        self._next += 1
        leaf.append(made)
        self._by_id[made.id] = made
        if len(self._by_id) > self._most:
            self._forget()
        return made

    def _forget(self) -> None:
        _, oldest = self._by_id.popitem(last=False)
        self.forgotten += 1
        self.forgotten_lines += oldest.count
        left = [template for template in self._leaves[oldest.path] if template is not oldest]
        if left:
            self._leaves[oldest.path] = left
            return
        del self._leaves[oldest.path]
        for end in range(len(oldest.path) - 1, 0, -1):  # branches that lead nowhere any more go with it
            node = oldest.path[: end + 1]
            if node in self._branches or node in self._leaves:
                break
            parent = oldest.path[:end]
            self._branches[parent].discard(str(oldest.path[end]))
            if self._branches[parent]:
                break
            del self._branches[parent]
