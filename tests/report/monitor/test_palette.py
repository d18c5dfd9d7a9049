"""Colours are told apart from their ground in both themes, and by people who see fewer of them."""

import itertools
import re

import numpy as np
import pytest

from perfkit.report.html.page import static

PAIRS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", static("base.css"))
}
CURVES = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"]
# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
}  # fmt: skip


def linear(color):
    parts = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def luminance(color):
    return float(linear(color) @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    """WCAG 2.2, contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(color, deficiency):
    x, y, z = np.clip(DEFICIENCIES[deficiency] @ linear(color), 0, 1) @ np.array(
        [[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]]
    ) / [0.9505, 1.0, 1.089]  # fmt: skip
    f = [v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "ground"), ("soft", "ground"), ("ink", "raised"), ("soft", "raised"), ("focus", "ground"), ("critical", "critical-ground"),
        ("warning", "warning-ground"), ("info", "info-ground"), ("good", "good-ground"), ("tip-ink", "tip"), ("tip-soft", "tip"),
        ("critical", "ground"), *((curve, "ground") for curve in CURVES),
    ],
)  # fmt: skip
def test_text_has_the_contrast_of_wcag_aa(text, ground, theme):
    assert contrast(PAIRS[text][theme], PAIRS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_train_val_and_test_are_apart_for_everybody(deficiency, theme):
    for one, other in itertools.combinations(["c1", "c2", "c3"], 2):
        distance = np.linalg.norm(lab(PAIRS[one][theme], deficiency) - lab(PAIRS[other][theme], deficiency))
        assert distance > 15, (one, other, distance)
