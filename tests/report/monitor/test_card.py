"""The card of a monitored run in a terminal."""

import io

import pytest

from perfkit.monitor import record
from perfkit.report.layout import width_of
from perfkit.report.monitor_card import MAX_LINES, View, card_line, render, show
from perfkit.report.monitor_document import compose
from perfkit.runs.reader import Run


@pytest.fixture
def card(digits_document, digits_recorded):
    def lines(**view):
        return [line.plain for line in render(digits_document, digits_recorded.history, View(**view))]

    return lines


def test_it_fits_forty_lines_with_the_next_command(card):
    lines = card(width=100)
    assert len(lines) + 1 <= MAX_LINES
    assert max(map(width_of, lines)) <= 100


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_line_is_wider_than_the_terminal(card, width):
    assert max(map(width_of, card(width=width))) <= width


def test_it_says_state_model_speed_events_and_alerts(card):
    text = "\n".join(card(width=100))
    assert "finished · to step 599 · 12 epochs · 11.98 s" in text
    assert "MLP · torch 2.13.0 · 9610 parameters · float32 · on cpu · Adam at 0.001 · batches of 32" in text
    assert "step 4.397 ms median, 11.25 ms p95 · 7277 samples/s · host memory 441.6 MiB at most" in text
    assert "loss-finite: resolved after 420.0 ms; train/loss is NaN" in text
    assert "4 critical step 400    train/loss: loss is NaN" in text
    assert "→ lower the learning rate" in text
    assert "× 20 not finite" in text


def test_marks_stand_below_the_steps_at_which_things_happened(card):
    lines = card(width=100)
    lane = next(line for line in lines if line.strip().startswith("events"))
    plot = lane[15:]
    assert [plot.index(mark) for mark in "12345"] == [int(step / 599 * 85) for step in (260, 302, 361, 400, 560)]
    alerts = next(line for line in lines if line.strip().startswith("alerts"))[15:]
    assert alerts[int(400 / 599 * 85)] == "━"
    assert alerts[10] == " "


def test_train_and_val_share_the_axes_and_differ_without_colour(card):
    title = next(line for line in card(width=100) if line.startswith("Loss"))
    assert "━ train" in title
    assert "● val" in title


def test_the_nan_gap_is_shown_where_it_is(card):
    bottom = [line for line in card(width=100) if "×" in line and "not finite" not in line]
    assert len(bottom) == 1
    first, last = bottom[0].index("×") - 15, bottom[0].rindex("×") - 15
    assert (first, last) == (pytest.approx(400 / 599 * 85, abs=1.5), pytest.approx(419 / 599 * 85, abs=1.5))


def test_verbose_tells_everything(card):
    text = "\n".join(card(width=100, verbose=True))
    assert "epoch 12 ended" in text
    assert "clip the gradient's norm if it comes again" in " ".join(text.split())
    assert "[page_hinkley]" in text


def test_named_metrics_alone_are_drawn(card):
    lines = card(width=100, metrics=("val/accuracy",))
    assert any(line.startswith("Accuracy") for line in lines)
    assert not any(line.startswith("Loss") or "step time│" in line for line in lines)


def test_in_plain_ascii_nothing_else_is_written(digits_document, digits_recorded):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(digits_document, digits_recorded, stream)
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert "\x1b" not in text
    assert "x 20 not finite" in text
    assert "?" not in text


def test_colour_is_only_for_those_who_want_it(digits_document, digits_recorded):
    stream = io.StringIO()
    show(digits_document, digits_recorded, stream, color=True)
    assert "\x1b[" in stream.getvalue()


def test_a_run_that_only_begins_says_so(writing, tmp_path):
    made = writing(tmp_path)
    made.status(0, "running")
    made.writer.close()
    recorded = record.read(tmp_path)
    text = "\n".join(line.plain for line in render(compose(Run(tmp_path), recorded), recorded.history, View()))
    assert "running" in text
    assert "no metric was recorded" in text
    assert "no events" in text


def test_one_value_is_a_chart(writing, tmp_path):
    made = writing(tmp_path)
    made.point({"train/loss": 0.5}, 1)
    made.writer.close()
    recorded = record.read(tmp_path)
    assert len(render(compose(Run(tmp_path), recorded), recorded.history, View())) > 8


def test_control_characters_of_a_run_are_not_printed(writing, tmp_path):
    made = writing(tmp_path)
    made.point({"train/lo\x1b[31mss": 0.5}, 1)
    made.event(1, "anomaly", "warning", "train/x", "red \x1b[31m\x07 and\nmore")
    made.writer.close()
    recorded = record.read(tmp_path)
    lines = [line.plain for line in render(compose(Run(tmp_path), recorded), recorded.history, View(verbose=True))]
    assert not any(character < " " or character == "\x7f" for line in lines for character in line)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"framework": {"name": "keras", "version": "3.15", "backend": "tensorflow"}, "class": "a.b.Net", "parameters": 25_557_032,
             "trainable_parameters": 1000, "dtypes": {"float32": 1, "bfloat16": 2}, "devices": ["cuda:0"]},
            "Net · keras 3.15 · 25.6 M parameters · 1000 of them trained · float32, bfloat16 · on cuda:0",
        ),
        ({"optimizer": {"class": "torch.optim.SGD", "learning_rate": 0.1}, "data": {"batch_size": 32}}, "SGD at 0.1 · batches of 32"),
        ({"framework": None, "class": "MyModel", "data": {"batch_size": None}}, "MyModel"),
        ({"optimizer": "odd", "devices": "odd", "parameters": "odd", "framework": "odd"}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_card_on_one_line_has_the_facts_that_say_most(facts, said):
    assert card_line(facts) == said
