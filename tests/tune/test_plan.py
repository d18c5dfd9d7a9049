from perfkit.tune import plan


def test_legs_are_short_and_many():
    found = plan.legs(3.0, 0.01)
    assert (found.steps, found.count) == (4, 160)
    assert found.seconds == 0.04
    assert found.process_s < 3.0 + 160 * 0.06 + 1


def test_a_short_epoch_is_a_leg_of_its_own_and_a_longer_one_is_run_through_twice():
    assert plan.legs(3.0, 0.01, epoch_steps=20).steps == 20
    found = plan.legs(3.0, 0.01, epoch_steps=900)
    assert found.count <= plan.MOST_LEGS
    assert found.count * (found.steps + 2) >= 2 * 900


def test_of_slow_steps_a_leg_has_few_and_of_very_slow_ones_there_is_no_relay():
    assert plan.legs(3.0, 0.25).steps == plan.LEAST_LEG_STEPS
    assert plan.legs(3.0, 0.25).count == plan.LEAST_LEGS
    assert plan.legs(3.0, 1.0) is None


def test_so_many_steps_as_were_asked_for_are_divided_among_the_legs():
    assert plan.legs(3.0, 0.01, asked=500).count == 125
    assert plan.legs(3.0, 0.01, asked=24).count == plan.LEAST_LEGS
    found = plan.legs(3.0, 0.01, asked=2000)
    assert (found.steps, found.count) == (13, 154)  # no more legs than there may be, longer ones
