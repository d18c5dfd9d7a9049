import json

import pytest

from perfkit.analyze.traffic import operator_bytes

FLOATS = ["float"] * 4


@pytest.mark.parametrize(
    ("name", "shapes", "dtypes", "expected"),
    [
        ("aten::mm", [[4, 5], [5, 6]], FLOATS[:2], 4 * (20 + 30 + 24)),
        ("aten::addmm", [[6], [4, 5], [5, 6], []], [*FLOATS[:3], "Scalar"], 4 * (6 + 20 + 30 + 24)),
        ("aten::bmm", [[2, 4, 5], [2, 5, 6]], ["c10::Half"] * 2, 2 * (40 + 60 + 48)),
        ("aten::mkldnn_linear", [[2, 4, 5], [6, 5], [6]], FLOATS[:3], 4 * (40 + 30 + 6 + 48)),
        ("aten::add", [[8, 5], [5], []], ["float", "float", "Scalar"], 4 * (40 + 5 + 40)),
        ("aten::copy_", [[10], [10], []], ["c10::BFloat16", "float", "Scalar"], 20 + 40),
        ("aten::fill_", [[10], []], ["double", "Scalar"], 80),
        ("aten::sum", [[10, 10], []], ["float", ""], 400),
        ("aten::embedding", [[1000, 8], [3, 4]], ["float", "long int"], 96 + 2 * 12 * 32),
        ("aten::convolution_backward", [[1, 8, 10, 10], [1, 3, 12, 12], [8, 3, 3, 3]], FLOATS[:3], 4 * (800 + 2 * 432 + 2 * 216)),
        ("aten::_efficient_attention_forward", [[1, 16, 2, 4]] * 3, FLOATS[:3], 4 * 4 * 128),
        ("triton_poi_fused_add_0", [[100], [100], [100], []], [*FLOATS[:3], "Scalar"], 1200),  # outputs among its inputs
        ("aten::view", [[10], []], ["float", "ScalarList"], None),
        ("aten::mm", [[4, 5], [5, 6]], ["unheard of", "float"], None),
        ("aten::cat", [[[2, 3], [2, 3]], []], ["TensorList", "Scalar"], None),
    ],
)  # fmt: skip
def test_bytes_are_those_counted_by_hand(name, shapes, dtypes, expected):
    assert operator_bytes(name, json.dumps(shapes), json.dumps(dtypes)) == expected


def test_a_convolutions_output_follows_from_its_settings():
    given = json.dumps(["", "", "", "[1, 1]", "[2, 2]", "[1, 1]", "1"])
    found = operator_bytes(
        "aten::mkldnn_convolution", "[[2, 3, 8, 8], [16, 3, 3, 3], [16]]", json.dumps(FLOATS[:3]), given
    )
    assert found == 4 * (2 * 3 * 64 + 16 * 27 + 16 + 2 * 16 * 16)


@pytest.mark.parametrize("shapes", ["", "nonsense", "[[1, 2]]", "{}", "[[[[", "null"])
def test_nonsense_is_unknown(shapes):
    assert operator_bytes("aten::mm", shapes, '["float", "float"]') is None
