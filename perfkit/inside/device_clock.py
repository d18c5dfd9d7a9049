"""How long forward, backward and optimizer take on the device, without ever waiting for it.

The host runs ahead of a GPU, so host phases say when work was *launched*. On some of the steps a timing event is put
into the stream where a phase ends; events are read some steps later, only when they have completed by themselves.
"""

import sys

from ..model import marks

# One step in so many carries events: an event costs a few microseconds of launching.
EVERY = 8
# Steps whose events are still on their way; more than this means that the device is far behind, and the oldest is dropped.
MOST_PENDING = 16


class DeviceClock:
    """Events of one stream, generic over their maker so that it can be tested where there is no GPU.

    ``make_event()`` gives an object with ``record()``, ``query() -> bool`` and ``elapsed_time(later) -> ms``;
    ``may_record()`` says whether recording is allowed now (not while a graph is being captured);
    ``emit(phase, duration_ns, step)`` takes what was read.
    """

    def __init__(self, make_event, may_record, emit):
        self._make_event, self._may_record, self._emit = make_event, may_record, emit
        self._pool = []
        self._points = None  # of the step being timed: [(phase, event)], the first one its start
        self._pending = []  # (step, points)

    def step_began(self, step):
        """At a step boundary: hand over the finished step, read what has completed, perhaps time the next one."""
        self._hand_over()
        if step % EVERY == 0 and self._may_record():
            self._read_completed()
            self._points = []
            self._step = step
            self._record(None)

    def phase_ended(self, phase):
        """A phase (marks.PHASE_*) has been launched in full."""
        if self._points is not None:
            if self._may_record():
                self._record(phase)
            else:
                self._points = None

    def _record(self, phase):
        event = self._pool.pop() if self._pool else self._make_event()
        event.record()
        self._points.append((phase, event))

    def _hand_over(self):
        points, self._points = self._points, None
        if points and len(points) > 1:
            self._pending.append((self._step, points))
            del self._pending[:-MOST_PENDING]

    def _read_completed(self):
        while self._pending and self._pending[0][1][-1][1].query():
            step, points = self._pending.pop(0)
            totals = {}
            for (_, before), (phase, event) in zip(points, points[1:]):
                totals[phase] = totals.get(phase, 0.0) + before.elapsed_time(event)
            for phase, milliseconds in totals.items():
                self._emit(phase, int(milliseconds * 1e6), step)
            self._pool.extend(event for _, event in points)


def for_cuda(session, torch):
    """The clock of this process's current CUDA device, or None while CUDA is not in use."""
    if "torch.cuda" not in sys.modules or not torch.cuda.is_initialized():
        return None
    cuda = torch.cuda

    def emit(phase, duration_ns, step):
        session.mark(marks.DEVICE_PHASE, phase, duration_ns, step)

    return DeviceClock(lambda: cuda.Event(enable_timing=True), lambda: not cuda.is_current_stream_capturing(), emit)
