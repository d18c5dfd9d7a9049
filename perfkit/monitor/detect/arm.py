"""The charts there are, and those of one direction together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .adwin import Adwin
from .charts import Chart, Cusum, Ewma, PageHinkley, Shewhart, WindowMean, WindowVariance
from .tails import Record, RobustZ, TwoInARow

#: Charts by name, for `Series(charts=…)` and `perfkit monitor compare-detectors`.
CHARTS: Mapping[str, Callable[[], Chart]] = {
    "robust-z": RobustZ,
    "record": Record,
    "two-in-a-row": TwoInARow,
    "shewhart": Shewhart,
    "window-mean": WindowMean,
    "window-variance": WindowVariance,
    "ewma": Ewma,
    "cusum": Cusum,
    "page-hinkley": PageHinkley,
    "adwin": Adwin,
}


class Arm:
    """The charts of one direction."""

    def __init__(self, sign: float, charts: list[Chart]) -> None:
        self.sign, self.charts = sign, charts
        self.lasting = sum(chart.kind != "anomaly" for chart in charts)
        self.tailed = [chart for chart in charts if chart.learns]

    def push(self, r: float, z: float) -> list[tuple[Chart, float]] | None:
        """Charts over their thresholds, with their scores; None for none."""
        over = None
        r, z = self.sign * r, self.sign * z
        for chart in self.charts:
            score = chart.push(r, z)
            if score > chart.threshold:
                over = [*(over or ()), (chart, score)]
        return over

    def odd(self, r: float, z: float) -> list[tuple[Chart, float]]:
        """As `push`, for the charts of single values alone."""
        r, z = self.sign * r, self.sign * z
        scores = [(chart, chart.push(r, z)) for chart in self.charts if chart.kind == "anomaly"]
        return [(chart, score) for chart, score in scores if score > chart.threshold]

    def learn(self, r: float) -> None:
        """An innovation has become part of what is usual."""
        r *= self.sign
        for chart in self.tailed:
            chart.learn(r)

    def allow(self, rate: float, suspected: float) -> None:
        """Thresholds for *rate* false alarms a value; *suspected* times as many for lasting changes."""
        for chart in self.charts:
            chart.allow(rate if chart.kind == "anomaly" else suspected * rate)

    def refit(self, innovations: Sequence[float]) -> None:
        """The model of the series was fitted (again)."""
        signed = [self.sign * r for r in innovations]
        for chart in self.charts:
            chart.refit(signed)

    def restart(self) -> None:
        """A change is over."""
        for chart in self.charts:
            chart.restart()
