"""Rules as text: what is understood, and what a mistake is answered with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.errors import UsageError
from perfkit.model.monitoring import Alert
from perfkit.monitor.alerts.defaults import default_rules
from perfkit.monitor.alerts.grammar import parse
from perfkit.monitor.alerts.rules import Absence, Is, Level, OnEvent, OnStatus, Rule, Threshold


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("val/loss > 2.5", Threshold(metric="val/loss", op=">", level=Level(value=2.5))),
        ("val_loss>2.5", Threshold(metric="val/loss", op=">", level=Level(value=2.5))),
        ("acc <= -1e-3", Threshold(metric="train/accuracy", op="<=", level=Level(value=-0.001))),
        ("perf/* >= .5", Threshold(metric="perf/*", op=">=", level=Level(value=0.5))),
        ("step_time > 1.5 * baseline", Threshold(metric="perf/step_time_s", op=">", level=Level(value=1.5, of_baseline=True))),
        ("step_time > 1.5* baseline", Threshold(metric="perf/step_time_s", op=">", level=Level(value=1.5, of_baseline=True))),
        ("step_time > 1.5 *baseline", Threshold(metric="perf/step_time_s", op=">", level=Level(value=1.5, of_baseline=True))),
        ("step_time > 1.5*baseline", Threshold(metric="perf/step_time_s", op=">", level=Level(value=1.5, of_baseline=True))),
        ("throughput < baseline", Threshold(metric="perf/samples_per_s", op="<", level=Level(value=1, of_baseline=True))),
        ("loss > 2 clear 1.5", Threshold(metric="train/loss", op=">", level=Level(value=2), clear=Level(value=1.5))),
        ("loss is nan", Is(metric="train/loss", quality="nan")),
        ("*/loss is not finite", Is(metric="*/loss", quality="not finite")),
        ('"my metric" is infinite', Is(metric="train/my_metric", quality="infinite")),
        ("no val/loss for 10m", Absence(metric="val/loss", after_s=600)),
        ("no val/loss for 2 h quiet", Absence(metric="val/loss", after_s=7200, tells=False)),
        ("event", OnEvent()),
        ("event degradation, fault", OnEvent(kinds=("degradation", "fault"))),
        ("event of perf/* from page* at least warning", OnEvent(metric="perf/*", source="page*", at_least="warning")),
        ("status lost", OnStatus(states=("lost",))),
        ('status failed, killed reason "*out of memory*"', OnStatus(states=("failed", "killed"), reason="*out of memory*")),
        ("status killed unless SIGTERM", OnStatus(states=("killed",), unless="SIGTERM")),
    ],
)  # fmt: skip
def test_a_condition_is_read(text, when):
    assert parse(text).when == when


def test_a_whole_rule_is_read():
    rule = parse(
        "diverged: val/loss > 2.5 for 60s clear 2.3 keep 5m breaches 3 clears 2 under other, hang severity critical "
        'message "{metric} is {value}, \\"bad\\""'
    )
    assert rule == Rule(
        name="diverged",
        when=Threshold(metric="val/loss", op=">", level=Level(value=2.5), clear=Level(value=2.3)),
        severity="critical",
        for_s=60,
        keep_firing_s=300,
        breaches=3,
        clears=2,
        under=("other", "hang"),
        message='{metric} is {value}, "bad"',
    )


def test_a_rule_without_a_name_has_that_of_its_condition():
    assert parse("val_loss > 2.5 for 60s").name == "val/loss > 2.5"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it ends where a condition"),
        ("val/loss", "it ends where one of > >= < <= is is wanted"),
        ("val/loss = 2", "column 10: '=' does not compare"),
        ("val/loss == 2", "'==' does not compare"),
        ("val/loss > high", "column 12: 'high' is no level; write a number"),
        ("val/loss > nan", "'nan' is no level"),
        ("val/loss > 1e999", "a level must be a finite number; for NaN say 'val/loss is nan'"),
        ("val/loss > 2 for 60", "column 18: '60' has no unit; write 60s"),
        ("val/loss > 2 for soon", "'soon' is no duration; write 60s, 10m or 2h"),
        ("val/loss > 2 for -5s", "give seconds from 0 on"),
        ("val/loss > 2 for 5s for 6s", "'for' stands there twice"),
        ("val/loss > 2 since 5s", "'since' is no option of a rule; there are: for, clear"),
        ("val/loss > 2 severity high", "'high' is no severity; there are: info, warning, critical"),
        ("val/loss > 2 under", "it ends where the name of a rule is wanted"),
        ("val/loss > 2 breaches 0", "'0' is no number of values"),
        ("val/loss > 2 clear 3", "it would clear at 3 where it fires; clear below 2"),
        ("val/loss < 2 clear 1", "it would clear at 1 where it fires; clear above 2"),
        ("val/loss is odd", "'is odd' is not known; there are: is nan"),
        ("event lightning", "'lightning' is no kind of event; there are: validity"),
        ("event fault for 5s", "an event has no length"),
        ("status gone", "'gone' is no state of a run; there are: starting"),
        ("no val/loss", "it ends where 'for' and the time"),
        ("no val/loss for 10m breaches 2", "an absence has one time"),
        ("no val/loss for 0s", "give seconds above 0"),
        ('val/loss > 2 message "{oops}"', "no field {oops} in a message; there are: rule, metric"),
        ('val/loss > 2 message "half', "close the quote"),
        ("> 2", "column 1: '>' stands where a metric is wanted"),
        ("loss is nan clear 2", "'clear' goes with a threshold"),
        ("__import__('os').system('x') > 1", "does not compare"),
        ("x" * 2000, "at most 1000 characters"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_its_place_and_the_next_step(text, said):
    with pytest.raises(UsageError) as caught:
        parse(text, where="pyproject.toml alerts[2]")
    assert said in str(caught.value)
    assert str(caught.value).startswith("pyproject.toml alerts[2]")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_a_usage_error(text):
    try:
        assert isinstance(parse(text), Rule)
    except UsageError as error:
        assert str(error)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SECONDS = st.floats(min_value=0, max_value=1e6).map(lambda s: float(f"{s:.6g}"))
GLOBS = st.text(alphabet='abz*?/ "\\', min_size=1, max_size=8).filter(lambda text: text.strip() == text)


@given(
    when=st.one_of(
        st.builds(
            Threshold,
            metric=st.sampled_from(["val/loss", "perf/*"]),
            op=st.sampled_from([">", ">=", "<", "<="]),
            level=st.builds(Level, value=st.floats(-1e6, 1e6).map(lambda v: float(f"{v:.6g}")), of_baseline=st.booleans()),
        ),
        st.builds(Is, metric=st.just("*/loss"), quality=st.sampled_from(["nan", "infinite", "not finite"])),
        st.builds(
            OnStatus,
            states=st.lists(st.sampled_from(["lost", "failed", "hanging"]), min_size=1, max_size=3, unique=True).map(tuple),
            reason=GLOBS,
            unless=st.one_of(st.just(""), GLOBS),
        ),
    ),
    severity=st.sampled_from([None, "info", "critical"]),
    for_s=SECONDS,
    keep_firing_s=SECONDS,
    breaches=st.integers(1, 99),
    message=st.text(alphabet='ab "\\:*', max_size=10),
)  # fmt: skip
def test_a_rule_s_text_is_read_as_the_same_rule(when, severity, for_s, keep_firing_s, breaches, message):
    rule = Rule(
        name="a-rule", when=when, severity=severity, for_s=for_s, keep_firing_s=keep_firing_s, breaches=breaches, message=message
    )  # fmt: skip
    assert parse(str(rule)) == rule


def test_the_default_rules_have_different_names_and_are_read_from_their_own_text():
    rules = default_rules()
    assert len({rule.name for rule in rules}) == len(rules)
    assert [parse(str(rule)) for rule in rules] == rules
    assert Alert.__dataclass_fields__["severity"]
