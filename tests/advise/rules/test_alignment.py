"""The alignment rule: 16-bit products with odd dimensions."""

import pytest

BUSY = {"odd bf16": 0.03, "bf16": 0.07}
SHAPES = [{"name": "aten::mm", "work": "matmul", "shapes": "[[8192, 768], [768, 50257]]"}]


def test_it_names_the_odd_dimension_and_what_to_make_of_it(ask, gpu_step):
    said = ask("alignment", **gpu_step(BUSY, {}), hotspots=SHAPES)
    assert "50257" in said.title and "50304" in said.how
    assert said.saves.low == pytest.approx(0.3 * (1 - 1 / 3)) and said.saves.high == pytest.approx(0.3 * (1 - 1 / 7))


def test_without_shapes_it_still_says_what_is_wrong(ask, gpu_step):
    assert "multiple of 64" in ask("alignment", **gpu_step(BUSY, {})).title


def test_aligned_products_are_the_cure_applied(ask, gpu_step):
    assert ask("alignment", **gpu_step({"bf16": 0.10}, {}), hotspots=SHAPES) is None


def test_float32_products_are_read_element_by_element_anyway(ask, gpu_step):
    assert ask("alignment", **gpu_step({"fp32": 0.10}, {}), hotspots=SHAPES) is None


def test_not_where_the_host_sets_the_pace(ask, gpu_step):
    assert ask("alignment", **gpu_step(BUSY, {}, launching=0.10)) is None
