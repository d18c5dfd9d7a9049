r"""Rules as text, read by a parser of their own over a fixed grammar; nothing is evaluated.

::

    rule      = [ name ":" ] condition { option }
    condition = metric ( ">" | ">=" | "<" | "<=" ) level
              | metric "is" ( "nan" | "infinite" | "not finite" )
              | "no" metric "for" duration [ "quiet" ]
              | "event" [ kind { "," kind } ] [ "of" metric ] [ "from" glob ] [ "at" "least" severity ]
              | "status" state { "," state } [ "reason" glob ] [ "unless" glob ]
    option    = "for" duration | "clear" level | "keep" duration | "breaches" count | "clears" count
              | "under" rule-name { "," rule-name } | "severity" severity | "message" quoted
    level     = number [ "*" "baseline" ] | "baseline"
    duration  = number ( "ms" | "s" | "m" | "h" | "d" )

A metric is a name as people write it (``val_loss`` is ``val/loss``) or a glob (``perf/*``). Globs and messages may stand in quotes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, NoReturn, TypeVar, cast

from ...errors import UsageError
from .rules import (
    EVENT_KINDS,
    RUN_STATES,
    SEVERITIES,
    Absence,
    Condition,
    Is,
    Level,
    OnEvent,
    OnStatus,
    Operator,
    Rule,
    Threshold,
    metric_pattern,
)

#: A rule is a line; what is longer is a mistake (a file's text given as a rule).
LONGEST_RULE = 1000
_OPERATORS = (">", ">=", "<", "<=")
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')|(>=|<=|==|!=|>|<|=|,)|([^\s"\'<>=!,]+)|(\S))')
_NAME = re.compile(r"\s*([A-Za-z][\w.-]*)\s*:(?=\s|$)")
_LEVEL = re.compile(rf"({_NUMBER})(?:\*(baseline))?")
_DURATION = re.compile(rf"({_NUMBER})(ms|s|m|h|d)?")
_OPTIONS = ("for", "clear", "keep", "breaches", "clears", "under", "severity", "message")

Choice = TypeVar("Choice", bound=str)


def parse(text: str, *, where: str = "") -> Rule:
    """The rule that *text* is. Raises UsageError that names *where*, the column and what can stand there."""
    return _Parser(text, where).rule()


class _Parser:
    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        if len(text) > LONGEST_RULE:
            self._fail(0, f"a rule has at most {LONGEST_RULE} characters; this has {len(text)}", shown="")
        found = _NAME.match(text)
        self.name = found.group(1) if found else ""
        #: (column from 0, text, whether it was in quotes)
        self.tokens: list[tuple[int, str, bool]] = []
        self.at = 0
        self._split(found.end() if found else 0)

    def _split(self, position: int) -> None:
        for found in _TOKEN.finditer(self.text, position):
            quoted, operator, word, bad = found.groups()
            column = found.start(found.lastindex or 0)
            if bad:
                hint = "close the quote" if bad in "\"'" else "put it in quotes"
                self._fail(column, f"{bad!r} cannot stand here; {hint}")
            content = re.sub(r"\\(.)", r"\1", quoted[1:-1]) if quoted else operator or word
            self.tokens.append((column, content, bool(quoted)))

    # -- the rule

    def rule(self) -> Rule:
        when = self._condition()
        options: dict[str, Any] = {}
        while self.at < len(self.tokens):
            column, word, _ = self.tokens[self.at]
            if word not in _OPTIONS:
                self._fail(column, f"{word!r} is no option of a rule; there are: {', '.join(_OPTIONS)}")
            if word in options:
                self._fail(column, f"{word!r} stands there twice; leave one out")
            self.at += 1
            options[word] = self._option(word)
        clear = options.pop("clear", None)
        if clear is not None:
            if not isinstance(when, Threshold):
                self._fail(0, "'clear' goes with a threshold (val/loss > 2.5 clear 2.3); leave it out")
            when = replace(when, clear=clear)
        fields = {"for": "for_s", "keep": "keep_firing_s"}
        try:
            return Rule(name=self.name or str(when), when=when, **{fields.get(k, k): v for k, v in options.items()})
        except UsageError as error:
            raise UsageError(f"{self.where}: {error}" if self.where else str(error)) from None

    def _option(self, word: str) -> Any:
        if word in ("for", "keep"):
            return self._duration()
        if word == "clear":
            return self._level()
        if word in ("breaches", "clears"):
            return self._count(word)
        if word == "under":
            names = [self._take("the name of a rule")[1]]
            while self._maybe(","):
                names.append(self._take("the name of a rule")[1])
            return tuple(names)
        if word == "severity":
            return self._choice(SEVERITIES, "severity")
        return self._take("a message in quotes")[1]

    # -- conditions

    def _condition(self) -> Condition:
        column, word, quoted = self._take("a condition such as 'val/loss > 2.5'")
        if not quoted and word == "no":
            return self._absence()
        if not quoted and word == "event":
            return self._event()
        if not quoted and word == "status":
            return self._status()
        metric = self._metric(column, word)
        column, operator, _ = self._take("one of > >= < <= is")
        if operator == "is":
            return self._is(metric)
        if operator not in _OPERATORS:
            self._fail(column, f"{operator!r} does not compare; use one of > >= < <=, or 'is nan'")
        return Threshold(metric=metric, op=cast(Operator, operator), level=self._level())

    def _is(self, metric: str) -> Is:
        column, word, _ = self._take("nan, infinite or 'not finite'")
        if word == "not":
            column, word, _ = self._take("finite")
            word = f"not {word}"
        if word not in ("nan", "infinite", "not finite"):
            self._fail(column, f"'is {word}' is not known; there are: is nan, is infinite, is not finite")
        return Is(metric=metric, quality=word)  # type: ignore[arg-type]

    def _absence(self) -> Absence:
        column, word, _ = self._take("a metric")
        metric = self._metric(column, word)
        self._word("for", "the time without a value")
        after_s = self._duration()
        return Absence(metric=metric, after_s=after_s, tells=not self._maybe("quiet"))

    def _event(self) -> OnEvent:
        kinds = self._choices(EVENT_KINDS, "kind of event") if self._peek() in EVENT_KINDS else ()
        found: dict[str, Any] = {}
        while (word := self._peek()) in ("of", "from", "at"):
            self.at += 1
            if word == "of":
                column, name, _ = self._take("a metric")
                found["metric"] = self._metric(column, name)
            elif word == "from":
                found["source"] = self._take("who says so, or a glob")[1]
            else:
                self._word("least", "a severity")
                found["at_least"] = self._choice(SEVERITIES, "severity")
        if not kinds and not found and self._peek() not in (None, *_OPTIONS):
            self._choice(EVENT_KINDS, "kind of event")
        return OnEvent(kinds=kinds, **found)

    def _status(self) -> OnStatus:
        states = self._choices(RUN_STATES, "state of a run")
        found: dict[str, str] = {}
        while (word := self._peek()) in ("reason", "unless"):
            self.at += 1
            found[str(word)] = self._take("a glob over the reason")[1]
        return OnStatus(states=states, **found)

    # -- parts

    def _metric(self, column: int, word: str) -> str:
        if word in _OPERATORS or word == ",":
            self._fail(column, f"{word!r} stands where a metric is wanted; begin with its name, as in 'val/loss > 2.5'")
        return metric_pattern(word)

    def _level(self) -> Level:
        column, word, _ = self._take("a number")
        if word == "baseline":
            return Level(value=1.0, of_baseline=True)
        while self._peek() in ("*", "*baseline") or (word.endswith("*") and self._peek() == "baseline"):
            word += self._take("baseline")[1]
        found = _LEVEL.fullmatch(word)
        if found is None:
            self._fail(
                column, f"{word!r} is no level; write a number (2.5) or a multiple of the baseline (1.5 * baseline)"
            )
        return Level(value=float(found.group(1)), of_baseline=found.group(2) is not None)

    def _duration(self) -> float:
        column, word, _ = self._take("a duration such as 60s")
        found = _DURATION.fullmatch(word)
        if found is None:
            self._fail(column, f"{word!r} is no duration; write 60s, 10m or 2h")
        unit = found.group(2)
        if unit is None and self._peek() in _UNITS:
            unit = self._take("a unit")[1]
        if unit is None:
            self._fail(column, f"{word!r} has no unit; write {word}s for seconds")
        return float(found.group(1)) * _UNITS[unit]

    def _count(self, what: str) -> int:
        column, word, _ = self._take("a whole number")
        if not word.isascii() or not word.isdigit() or int(word) < 1:
            self._fail(column, f"{word!r} is no number of values; write {what} 3")
        return int(word)

    def _choice(self, known: tuple[Choice, ...], what: str) -> Choice:
        column, word, _ = self._take(f"a {what}")
        chosen = next((one for one in known if word == one), None)
        if chosen is None:
            self._fail(column, f"{word!r} is no {what}; there are: {', '.join(known)}")
        return chosen

    def _choices(self, known: tuple[Choice, ...], what: str) -> tuple[Choice, ...]:
        chosen = [self._choice(known, what)]
        while self._maybe(","):
            chosen.append(self._choice(known, what))
        return tuple(chosen)

    # -- tokens

    def _peek(self) -> str | None:
        if self.at >= len(self.tokens) or self.tokens[self.at][2]:
            return None
        return self.tokens[self.at][1]

    def _maybe(self, word: str) -> bool:
        is_next = self._peek() == word
        self.at += is_next
        return is_next

    def _take(self, wanted: str) -> tuple[int, str, bool]:
        if self.at >= len(self.tokens):
            self._fail(len(self.text), f"it ends where {wanted} is wanted; add it")
        self.at += 1
        return self.tokens[self.at - 1]

    def _word(self, word: str, before: str) -> None:
        column, found, _ = self._take(f"{word!r} and {before}")
        if found != word:
            self._fail(column, f"{found!r} stands where {word!r} is wanted, before {before}; put it in")

    def _fail(self, column: int, reason: str, *, shown: str | None = None) -> NoReturn:
        rule = repr(self.text) if shown is None else shown
        place = [part for part in (self.where, rule and f"alert rule {rule}", f"column {column + 1}") if part]
        raise UsageError(f"{', '.join(place)}: {reason}")
