"""Facts computed on first use, each with its value or with the reason why it could not be had."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..errors import PerfkitError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Set to anything, a fault in an analysis is raised instead of being reported as the reason for a missing
#: figure.
DEBUG_VARIABLE = "PERFKIT_DEBUG"
NOT_GIVEN = "not among the evidence given"


class Unavailable(Exception):  # noqa: N818 - reads as the fact it states
    """A fact cannot be had; the message is the reason, one clause without a full stop."""


class Absent(Unavailable):
    """There is nothing of the kind, and that is known: a script without a DataLoader, a machine without a
    GPU.
    """


class Facts:
    """Base of an object whose `lazy` attributes are facts.

    Given values come first: a literal object, made of given values alone, computes nothing.
    """

    def __init__(self, given: dict[str, Any] | None = None, *, literal: bool = False) -> None:
        self._values: dict[str, Any] = dict(given or {})
        self._reasons: dict[str, str] = {}
        self._absent: set[str] = set()
        self._literal = literal
        #: Facts that a fault of perfkit's own has cost, with the fault: never hidden, shown in the report.
        self.faults: dict[str, str] = {}
        unknown = set(self._values) - set(self.names())
        if unknown:
            raise TypeError(f"no such evidence: {', '.join(sorted(unknown))}")

    @classmethod
    def names(cls) -> list[str]:
        """Names of all facts."""
        owners = reversed(cls.__mro__)
        return [name for owner in owners for name, value in vars(owner).items() if isinstance(value, lazy)]

    def why(self, name: str) -> str:
        """Why the fact *name* is None."""
        getattr(self, name)
        return self._reasons.get(name, "not known")

    def is_absent(self, name: str) -> bool:
        """Whether the fact *name* is None because there is nothing of the kind, not because it is unknown."""
        return getattr(self, name) is None and name in self._absent

    def need(self, name: str) -> Any:
        """The fact *name*; raises Unavailable with its reason when it is None."""
        value = getattr(self, name)
        if value is None:
            raise (Absent if name in self._absent else Unavailable)(self.why(name))
        return value


class lazy(Generic[T]):  # noqa: N801 - used as a decorator, like property
    """A fact: a method that computes it, or raises Unavailable. Read as an attribute; None where it cannot
    be had.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, facts: None, owner: type) -> lazy[T]: ...
    @overload
    def __get__(self, facts: Facts, owner: type) -> T | None: ...
    def __get__(self, facts: Facts | None, owner: type) -> lazy[T] | T | None:
        if facts is None:
            return self
        if self._name not in facts._values:
            facts._values[self._name] = self._value(facts)
        value: T | None = facts._values[self._name]
        return value

    def _value(self, facts: Facts) -> T | None:
        if facts._literal:
            facts._reasons[self._name] = NOT_GIVEN
            return None
        try:
            return self._compute(facts)
        except Unavailable as reason:
            facts._reasons[self._name] = str(reason)
            facts._absent |= {self._name} if isinstance(reason, Absent) else set()
        except (PerfkitError, OSError) as error:
            facts._reasons[self._name] = str(error)
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE):
                raise
            fault = f"{type(error).__name__}: {error}"
            facts.faults[self._name] = fault
            facts._reasons[self._name] = f"perfkit failed to compute it ({fault})"
        return None
