from perfkit.monitor.logs.analysis import LogAnalysis


def test_a_line_is_a_point_of_a_series():
    analysis = LogAnalysis()
    analysis.feed(b"step 250: train loss 2.1, val loss 2.2\n")
    analysis.finish()
    assert analysis.history["val/loss"].tolist() == [2.2]
