"""Which series share a chart."""

from perfkit.report.curves import groups


def test_splits_of_a_metric_share_a_chart_and_quality_comes_before_performance():
    names = [
        "system/host_memory_bytes", "perf/step_time_s", "val/accuracy", "val/loss", "train/grad_norm", "train/loss", "probe/loss_after",
        "train/accuracy", "system/device_memory_bytes", "probe/loss_before", "perf/samples_per_s", "train/my_metric",
    ]  # fmt: skip
    assert [(chart.key, chart.names) for chart in groups.charts(names)] == [
        ("loss", ("train/loss", "val/loss")),
        ("accuracy", ("train/accuracy", "val/accuracy")),
        ("my_metric", ("train/my_metric",)),
        ("probe_loss", ("probe/loss_after", "probe/loss_before")),
        ("grad_norm", ("train/grad_norm",)),
        ("step_time_s", ("perf/step_time_s",)),
        ("samples_per_s", ("perf/samples_per_s",)),
        ("memory", ("system/device_memory_bytes", "system/host_memory_bytes")),
    ]


def test_a_label_tells_a_series_from_its_neighbours():
    loss, memory = groups.charts(["train/loss", "val/loss", "system/host_memory_bytes", "system/device_memory_bytes"])
    assert groups.labels(loss) == {"train/loss": "train", "val/loss": "val"}
    assert groups.labels(memory) == {"system/device_memory_bytes": "device", "system/host_memory_bytes": "host"}


def test_where_short_labels_are_the_same_the_names_are_written_out():
    (chart,) = groups.charts(["rank0/host_memory_bytes", "rank1/host_memory_bytes"])
    assert groups.labels(chart) == {name: name for name in chart.names}


def test_units_and_bounds_are_those_of_the_metric():
    (chart,) = groups.charts(["val/accuracy"])
    assert (chart.unit, chart.better, chart.low, chart.high, chart.role) == ("", "up", 0, 1, "quality")
