"""pytest-benchmark's fixture `benchmark` within a gate: a project's tests as they are, timed as perfkit times."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from .timing import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .fixture import Bench


def adopt(fixture: Any, bench: Bench) -> None:
    """Let *fixture* time with *bench*. Another plugin's fixture of that name is left as it is."""
    from pytest_benchmark.fixture import BenchmarkFixture

    if isinstance(fixture, BenchmarkFixture):
        # Its class, not another object: pytest-benchmark's own hooks insist on one of theirs.
        fixture.__class__ = _class()
        fixture.perfkit = bench


@cache
def _class() -> type:
    from pytest_benchmark.fixture import BenchmarkFixture

    class Adopted(BenchmarkFixture):  # type: ignore[misc] # comes without types
        """How often and how long is perfkit's affair, so rounds and iterations say nothing; there are no ``stats``."""

        perfkit: Bench

        def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            self._mode = "benchmark(...)"  # else it says that it was not used
            return self.perfkit(function, *args, **kwargs)

        def pedantic(
            self,
            target: Callable[..., Any],
            args: Sequence[Any] = (),
            kwargs: Mapping[str, Any] | None = None,
            setup: Callable[[], Any] | None = None,
            teardown: Callable[..., Any] | None = None,
            **_counts: int,
        ) -> Any:
            """Time ``target``; what *setup* and *teardown* take is not in it."""
            self._mode = "benchmark.pedantic(...)"
            if setup is None and teardown is None:
                return self.perfkit(target, *args, **(kwargs or {}))
            given: list[tuple[Sequence[Any], Mapping[str, Any]]] = [(args, kwargs or {})]

            def ready() -> Callable[[], Any]:
                if made := setup() if setup is not None else None:
                    given[0] = made
                return partial(target, *given[0][0], **given[0][1])

            def after() -> None:
                if teardown is not None:
                    teardown(*given[0][0], **given[0][1])

            return self.perfkit.prepared(Prepared(ready, after))

    return Adopted
