"""The events table in its compact form: numpy columns that grow, with names and shapes as codes into dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model.tables import EVENTS

if TYPE_CHECKING:
    import polars
    from numpy.typing import NDArray

# What a hostile file may add to a dictionary: beyond it new texts share one code.
MAX_DICTIONARY_BYTES = 256 << 20
MAX_TEXT = 16384
OVERFLOW_TEXT = "(too many different texts)"


class Codes(dict[Any, int]):
    """Text → small number, in order of first appearance. Long texts are cut, too many of them share one code."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.bytes_held = 0

    def __missing__(self, key: Any) -> int:
        if len(key) > MAX_TEXT:
            return self[key[:MAX_TEXT]]
        text = key if isinstance(key, str) else bytes(key).decode("utf-8", "replace")
        if self.bytes_held > MAX_DICTIONARY_BYTES and text != OVERFLOW_TEXT:
            return self[OVERFLOW_TEXT if isinstance(key, str) else OVERFLOW_TEXT.encode()]
        self.bytes_held += 100 + 2 * len(key)
        self.texts.append(text)
        code = self[key] = len(self.texts) - 1
        return code


class Column:
    """A growing column of integers: 4 bytes each until a value needs 8; nothing at all while only *default* came."""

    def __init__(self, default: int | None = None) -> None:
        self.default = default
        self._data: NDArray[Any] | None = None
        self._size = 0

    def extend(self, values: NDArray[np.int64]) -> None:
        """Append *values*."""
        data = self._room(self._size + len(values), _width(values))
        data[self._size : self._size + len(values)] = values
        self._size += len(values)

    def skip(self, count: int) -> None:
        """Append *count* defaults."""
        if self._data is not None:
            self._room(self._size + count, 4)[self._size : self._size + count] = self.default
        self._size += count

    def _room(self, size: int, width: int) -> NDArray[Any]:
        data = self._data
        if data is None:
            data = np.empty(max(size, 1024), np.int32 if width == 4 else np.int64)
            if self._size:
                data[: self._size] = self.default
        elif width > data.itemsize:
            data = data.astype(np.int64)
        if size > len(data):
            data.resize(size + size // 2, refcheck=False)  # realloc: pages not written to cost nothing
        self._data = data
        return data

    def finish(self, total: int) -> NDArray[Any]:
        """The column, *total* long. A column that was never written is a broadcast constant of no size."""
        if self._data is None:
            return np.broadcast_to(np.int32(-1 if self.default is None else self.default), (total,))
        self._data.resize(total, refcheck=False)
        return self._data


def _width(values: NDArray[np.int64]) -> int:
    if len(values) and (values.max() > 2147483647 or values.min() < -2147483648):
        return 8
    return 4


@dataclass(frozen=True, kw_only=True)
class Events:
    """Columns of the events table (units and meanings in `model.tables.EVENTS`), one entry per duration event.

    ``category``, ``name``, ``shapes``, ``dtypes`` and ``constants`` are codes into the lists beside them; -1 says that there is none.
    Integer columns are int32 or int64, whichever holds their values.
    """

    ts_ns: NDArray[Any]
    dur_ns: NDArray[Any]
    category: NDArray[Any]
    name: NDArray[Any]
    pid: NDArray[Any]
    tid: NDArray[Any]
    device: NDArray[Any]
    stream: NDArray[Any]
    correlation: NDArray[Any]
    external_id: NDArray[Any]
    sequence: NDArray[Any]
    forward_thread: NDArray[Any]
    shapes: NDArray[Any]
    dtypes: NDArray[Any]
    constants: NDArray[Any]
    bytes: NDArray[Any]
    blocks: NDArray[Any]
    threads: NDArray[Any]
    registers: NDArray[Any]
    shared_bytes: NDArray[Any]
    python_id: NDArray[Any]
    python_parent: NDArray[Any]
    categories: list[str]
    names: list[str]
    shape_texts: list[str]
    dtype_texts: list[str]
    constant_texts: list[str]

    def __len__(self) -> int:
        return len(self.ts_ns)

    @property
    def end_ns(self) -> NDArray[np.int64]:
        """End of each event."""
        ends: NDArray[np.int64] = np.add(self.ts_ns, self.dur_ns, dtype=np.int64)
        return ends

    def in_categories(self, *wanted: str) -> NDArray[np.bool_]:
        """Which events are of one of these categories."""
        table = np.array([category in wanted for category in self.categories] + [False], dtype=bool)
        return np.asarray(table[self.category])

    def name_matches(self, *prefixes: str) -> NDArray[np.bool_]:
        """Which events have a name that starts with one of *prefixes*."""
        table = np.array([name.startswith(prefixes) for name in self.names] + [False], dtype=bool)
        return np.asarray(table[self.name])

    def frame(self) -> polars.DataFrame:
        """The table as polars, with the dtypes of the schema; made on demand, because polars costs memory."""
        import polars as pl

        texts = {
            "category": self.categories,
            "name": self.names,
            "shapes": self.shape_texts,
            "dtypes": self.dtype_texts,
            "constants": self.constant_texts,
        }
        columns = {}
        for column in EVENTS.columns:
            values = getattr(self, column.name)
            if column.name in texts:
                columns[column.name] = _texts(values, texts[column.name])
            else:
                dtype = getattr(pl, column.dtype)
                columns[column.name] = pl.Series(column.name, np.ascontiguousarray(values)).cast(dtype)
        return pl.DataFrame(columns)


def _texts(codes: NDArray[Any], texts: list[str]) -> polars.Series:
    import polars as pl

    dictionary = pl.Series([*texts, None], dtype=pl.String)
    indices = np.where(codes < 0, len(texts), codes)
    return dictionary.gather(indices).cast(pl.Categorical)
