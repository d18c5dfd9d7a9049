"""Tensors replaced within containers of every kind that models take and return."""

from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass

import pytest

torch = pytest.importorskip("torch")

from perfkit.inside.patches.containers import map_tensors  # noqa: E402

Pair = namedtuple("Pair", "one other")


@dataclass(frozen=True)
class Record:
    value: object
    name: str = "name"


class Rows(list):
    pass


def doubled(thing):
    return map_tensors(torch, thing, lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


X = torch.ones(2)


@pytest.mark.parametrize(
    "thing",
    [[X, 1], (X, "text"), {"a": X}, OrderedDict(a=X), Pair(X, None), Record(X), Rows([X]), [({"a": [Record((X,))]},)]],
    ids=lambda thing: type(thing).__name__,
)
def test_a_new_container_of_the_same_kind_and_the_old_one_untouched(thing):
    before = repr(thing)
    new = doubled(thing)
    assert type(new) is type(thing)
    assert repr(new).replace(", dtype=torch.float64", "") == before == repr(thing)
    assert repr(new) != before


def test_torchs_own_result_types():
    new = doubled(torch.max(torch.ones(2, 2), dim=0))
    assert type(new) is torch.return_types.max
    assert new.values.dtype is torch.float64
    assert new.indices.dtype is torch.int64


def test_packed_sequences_stay_packed():
    packed = torch.nn.utils.rnn.pack_sequence([torch.ones(3, 2), torch.ones(1, 2)])
    new = doubled(packed)
    assert isinstance(new, torch.nn.utils.rnn.PackedSequence)
    assert (new.data.dtype, new.batch_sizes.tolist()) == (torch.float64, [2, 1, 1])


def test_default_dictionaries_keep_their_default():
    assert doubled(defaultdict(list, a=X))["b"] == []


@pytest.mark.parametrize("thing", [torch.arange(3), [torch.arange(3), "text", None], {"a": 1}, X.shape, "text"])
def test_the_same_object_where_nothing_changes(thing):
    assert doubled(thing) is thing


def test_a_container_that_holds_itself_ends():
    thing = [X]
    thing.append(thing)
    assert doubled(thing)[0].dtype is torch.float64
