"""Exact bounds of a rate that was counted (C. J. Clopper and E. S. Pearson, Biometrika 26 (1934)), one-sided."""

from __future__ import annotations

from scipy.stats import beta

LEVEL = 0.95


def upper(hits: int, runs: int, level: float = LEVEL) -> float:
    """No rate above this is likely after *hits* in so many *runs*."""
    return float(beta.ppf(level, hits + 1, runs - hits)) if hits < runs else 1.0


def lower(hits: int, runs: int, level: float = LEVEL) -> float:
    """No rate below this is likely after *hits* in so many *runs*."""
    return float(beta.ppf(1 - level, hits, runs - hits + 1)) if hits else 0.0
