import pytest

from perfkit.advise.evidence import Evidence
from perfkit.errors import UsageError
from perfkit.model.records import Finding, Fix, Interval
from perfkit.tune import candidates as choice


def evidence(**given):
    plain = {
        "cores": 2, "step_s": 0.05, "breakdown": [], "loader": None, "torch": {"num_threads": 2}, "model": {},
        "optimizer": None, "instruction_sets": [],
    }  # fmt: skip
    return Evidence.literal(**{**plain, **given})


def finding(fix=None, *, basis="steady", rule="input", saves=(0.3, 0.5)):
    return Finding(
        rule=rule, cause="input", title="Do it", evidence={}, saves=Interval(low=saves[0], high=saves[1]), basis=basis,
        confidence="high", fix=fix, how="do_it()",
    )  # fmt: skip


def phases(**shares):
    return [{"name": name, "share": share, "seconds_per_step": share} for name, share in shares.items()]


def names(found):
    return [candidate.fixes[0].name for candidate in found]


WORKERS = Fix(name="loader-workers", parameters={"num_workers": 2, "persistent_workers": True})


def test_a_finding_with_a_cure_is_a_candidate_with_its_prediction():
    (found,), by_hand = choice.from_findings([finding(WORKERS)], evidence(loader={"num_workers": 0}))
    assert found.label == "loader workers 0 → 2, persistent"
    assert (found.predicted, found.rule, found.how) == (Interval(low=0.3, high=0.5), "input", "do_it()")
    assert by_hand == []


def test_what_cannot_be_applied_from_inside_is_left_to_a_hand():
    alone, unknown, run = finding(), finding(Fix(name="rewrite")), finding(WORKERS, basis="run")
    found, by_hand = choice.from_findings([alone, unknown, run], evidence())
    assert found == []
    assert by_hand == [alone, unknown, run]


def test_nothing_is_worth_trying_on_a_script_that_has_it_all():
    done = evidence(
        breakdown=phases(data=0.01, forward=0.5, backward=0.4, optimizer=0.09),
        loader={"num_workers": 2}, optimizer={"class": "torch.optim.SGD", "fused": True},
        model={"compiled": True, "conv_parameters": 9, "channels_last": 1.0},
    )  # fmt: skip
    assert choice.standard(done) == []


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"torch": {"num_threads": 1}}, Fix(name="threads", parameters={"num_threads": 2})),
        ({"step_s": 0.001}, Fix(name="threads", parameters={"num_threads": 1})),
        (
            {
                "loader": {"num_workers": 0, "dataset": "torch.utils.data.dataset.TensorDataset"},
                "breakdown": phases(data=0.3),
            },
            WORKERS,
        ),
        (
            {"loader": {"num_workers": 0, "dataset": "Pictures"}, "cores": 1, "breakdown": phases(data=0.3)},
            Fix(name="sample-cache"),
        ),
        (
            {"optimizer": {"class": "torch.optim.AdamW"}, "breakdown": phases(optimizer=0.2)},
            Fix(name="optimizer", parameters={"fused": True}),
        ),
        (
            {"optimizer": {"class": "torch.optim.RMSprop"}, "breakdown": phases(optimizer=0.2)},
            Fix(name="optimizer", parameters={"foreach": True}),
        ),
        ({"breakdown": phases(evaluation=0.2)}, Fix(name="inference-mode")),
        ({"model": {"conv_parameters": 100, "compiled": True}}, Fix(name="channels-last")),
        ({"model": {"class": "Net"}, "breakdown": phases(forward=0.4, backward=0.3)}, Fix(name="compile")),
        (
            {"model": {"compiled": True, "dtypes": {"float32": 10}}, "instruction_sets": ["amx_bf16"]},
            Fix(name="autocast", parameters={"device": "cpu", "dtype": "bfloat16"}),
        ),
    ],
)
def test_the_standard_list_has_a_reason_for_each(given, wanted):
    (found,) = choice.standard(evidence(**given))
    assert found.fixes == (wanted,)
    assert found.predicted is None
    assert found.why


def test_a_gpu_has_a_list_of_its_own():
    found = choice.standard(
        evidence(
            model={"devices": {"cuda:0": 5}, "dtypes": {"float32": 5}, "conv_parameters": 3, "compiled": True},
            torch={"num_threads": 1, "devices": [{"capability": "9.0"}], "allow_tf32_matmul": False},
            loader={"num_workers": 2, "pin_memory": False},
        )
    )
    assert names(found) == ["pin-memory", "tf32", "cudnn-benchmark", "channels-last", "autocast"]


def test_larger_batches_are_tried_only_when_asked_for():
    given = evidence(loader={"num_workers": 2, "batch_size": 8}, torch={"num_threads": 2})
    assert choice.standard(given) == []
    found = choice.standard(given, batch=True)
    assert [c.label for c in found] == ["batch size 8 → 16", "batch size 8 → 32"]
    assert all(c.is_other_training for c in found)
    assert len({c.family for c in found}) == 1


def test_workers_and_kept_samples_are_both_tried_and_one_of_them_kept():
    found = choice.standard(evidence(loader={"num_workers": 0, "dataset": "Pictures"}, breakdown=phases(data=0.3)))
    assert names(found) == ["loader-workers", "sample-cache"]
    assert len({c.family for c in found}) == 2
    assert len({c.rivalry for c in found}) == 1


def test_what_a_finding_advises_is_not_tried_again_by_the_list():
    advised, _ = choice.from_findings([finding(Fix(name="fused-optimizer", parameters={"fused": True}))], evidence())
    guessed = choice.standard(evidence(optimizer={"class": "torch.optim.Adam"}, breakdown=phases(optimizer=0.3)))
    assert names(choice.merged(advised, guessed)) == ["fused-optimizer"]


def test_a_fix_that_was_asked_for_bears_the_findings_prediction_only_if_it_is_the_same():
    known = [finding(WORKERS)]
    same, other = (
        choice.given([Fix(name="loader-workers", parameters=p)], evidence(), known)[0] for p in ({}, {"num_workers": 7})
    )
    assert same.fixes == (WORKERS,)
    assert same.predicted is not None
    assert other.predicted is None


def test_a_sweep_sets_the_argument_where_it_stands():
    found = choice.swept("--batch-size=16,32", ["--epochs", "3", "--batch-size", "16"])
    assert [c.label for c in found] == ["--batch-size=32"]
    assert choice.arguments(["--batch-size", "16", "x"], found[0].sets) == ("--batch-size", "32", "x")
    assert choice.arguments(["--batch-size=16"], found[0].sets) == ("--batch-size=32",)
    assert choice.arguments(["x"], found[0].sets) == ("x", "--batch-size=32")


@pytest.mark.parametrize("text", ["--batch-size", "--batch-size=", "batch=1,2", ""])
def test_a_sweep_that_means_nothing_is_refused(text):
    with pytest.raises(UsageError, match="--sweep"):
        choice.swept(text, [])


def test_joined_candidates_hold_all_of_both():
    one, other = (
        choice.Candidate(label="a", fixes=(WORKERS,)),
        choice.Candidate(label="--x=1", fixes=(), sets=(("--x", "1"),)),
    )
    both = choice.joined([one, other])
    assert (both.label, both.fixes, both.sets) == ("a + --x=1", (WORKERS,), (("--x", "1"),))
