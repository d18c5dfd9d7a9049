"""A cheap check, in the process, of whether the steps are steady by now. (The report's own is `stats.steady`.)"""

import statistics

# Steadiness is looked for at the first of these steps, and at the later ones until it is found.
FIRST_STEPS = (16, 24, 32, 40, 48, 56, 64)
# Slow steps are worth looking at sooner: at a second a step the sixteenth may be all there is.
FIRST_SLOW_STEP, SLOW_STEP_NS = 4, 1_000_000_000
STEADY_WITHIN = 0.25  # the medians of two neighbouring stretches of steps may differ by this much
GIVE_UP_AT = 128  # a script that is never steady is taken as it is, and said to be so


def why_steady(step, recent):
    """Why the steps whose ends are *recent* (ns) count as steady at *step*, or None while they do not."""
    durations = _differences(recent)
    if len(durations) < 3 or not _is_candidate(step, durations):
        return None
    half = min(8, len(durations) // 2)
    late, early = statistics.median(durations[-half:]), statistics.median(durations[-2 * half : -half])
    if abs(late - early) <= STEADY_WITHIN * late:
        return "steady at step %d" % step
    if step >= GIVE_UP_AT:
        return "never steady until step %d" % step
    return None


def next_candidate(step):
    """The next step at which to look; after the last of FIRST_STEPS at 128, 256 …"""
    following = next((first for first in (FIRST_SLOW_STEP, *FIRST_STEPS) if first > step), 2 * FIRST_STEPS[-1])
    while following <= step:
        following *= 2
    return following


def _differences(times):
    listed = list(times)
    return [b - a for a, b in zip(listed, listed[1:])]


def _is_candidate(step, durations):
    first = FIRST_SLOW_STEP if statistics.median(durations) >= SLOW_STEP_NS else FIRST_STEPS[0]
    return step >= first
