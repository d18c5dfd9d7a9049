"""What is noticed of a data set: that it was changed, and that it holds an open file."""

import pytest

from perfkit.inside.patches.dataset_state import open_file, state_of


class Thing:
    def __init__(self, **attributes):
        vars(self).update(attributes)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: vars(data).update(epoch=2),
        lambda data: vars(data.transform).update(strength=0.5),
        lambda data: data.items.append(1),
        lambda data: vars(data).update(more=None),
        lambda data: vars(data.parts[1]).update(n=4),
    ],
)
def test_a_change_is_noticed(change):
    data = Thing(epoch=1, transform=Thing(strength=0.1), items=[1, 2, 3], parts=[Thing(n=1), Thing(n=2)])
    before = state_of(data)
    assert state_of(data) == before
    change(data)
    assert state_of(data) != before


def test_a_tensor_written_in_place_is_noticed():
    torch = pytest.importorskip("torch")
    data = Thing(values=torch.zeros(4))
    before = state_of(data)
    data.values[0] = 1
    assert state_of(data) != before


def test_an_open_file_is_found_below_and_a_closed_one_is_not(tmp_path):
    file = (tmp_path / "data").open("w")
    data = Thing(inner=Thing(parts=[Thing(file=file)]))
    assert open_file(data) == "TextIOWrapper"
    file.close()
    assert open_file(data) is None


def test_things_that_hold_each_other_are_looked_at_once():
    crowd = [Thing() for _ in range(60)]
    for each in crowd:
        vars(each).update({str(number): other for number, other in enumerate(crowd)})
    assert open_file(crowd[0]) is None
    assert len(state_of(crowd[0])) < 20_000  # neither comes to an end, were each looked at through every other
