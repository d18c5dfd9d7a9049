"""The recording in this process: one session, its step clock, and what the user's code can say to it.

Probes append packed marks to ``rows`` and tell the session when a step ended; everything
that is not needed at every step is behind one comparison there.
"""

import atexit
import json
import os
import sys
import time
from collections import deque
from functools import partial
from importlib import import_module
from threading import get_ident

from ..model import marks
from ..runs import layout
from ..runs.recorder import Recorder, append_line, pack
from . import ending, requested
from .options import Options

# How often a running job looks for requests, limits and the other ranks' decision.
LOOK_EVERY_NS = 100_000_000
# How often it notes the framework's memory peak: asking takes a tenth of a millisecond.
MEMORY_EVERY_NS = 1_000_000_000
# A monitored process writes its marks at least so often while it calls models.
SIGN_EVERY_NS = 1_000_000_000

# Below this length a step's forward, backward and zero_grad are marked in one step of DETAIL_EVERY only: their marks
# would take a tenth of it. Its ends, its batches, evaluations, saves and logs are marked always.
SHORT_STEP_NS = 1_000_000
DETAIL_EVERY = 8  # as device_clock.EVERY, so that a step with events is marked in full

# What ends a step, from the weakest evidence to the strongest.
CLOCKS = (None, "inference", "backward", "optimizer", "function", "user")
#: The framework that has been imported, and the probe that arms then.
PROBES = {"torch": "_torch", "tensorflow": "_tensorflow", "keras": "_keras"}

now_ns = time.monotonic_ns
current = None  # the Session of this process, once armed


class Threads(dict):
    """Thread identity to a small number in order of appearance, already shifted into a tag's place."""

    def __missing__(self, ident):
        self[ident] = number = len(self) << 32
        return number


class Session:
    """What is shared by the probes of one process."""

    def __init__(self, run_dir, options):
        self.options = options
        self.recorder = Recorder(run_dir)
        self.rows = self.recorder.rows
        self.pid = os.getpid()
        self.armed_ns = now_ns()
        self.startup_ns = 0  # what arming, discovering and noting facts has cost
        self.steps = 0  # step ends seen by the cheap clock in this process, not the steps of the report
        self.clock = None  # which kind of mark ends a step here, of CLOCKS
        self.batch_counted = False  # a loader has counted the batch that the next model call will see
        self.worked = False  # a model was called or a backward run in this process
        self.recent = deque(maxlen=33)  # times of the last step ends
        self.short = False  # steps are so short that most of them are marked sparsely
        self.detail_always = False  # something was seen that only whole steps tell
        self.sparse = 0  # true within a step of which forward, backward and zero_grad are not marked
        self.own_ns = 0  # what the session did at the last step end, until a mark has carried it
        self.roots = self.window = None  # set by the framework's probe
        self.make_device_clock = None  # callable giving a DeviceClock once the device is in use, set by the probe
        self.device_clock = None
        self.describers = []  # callables: a framework's settings as a fact, set by its probe
        self.trainers = []  # callables: whether a training may follow calls that train nothing, set by the probes
        self.memory_peaks = None  # callable: device index -> (allocated, reserved), set by the probe
        self.undo = []  # (name, function) pairs, newest last
        self.trial = None  # inside.trial.Trial where this process is to stop itself
        self.losses = None  # inside.function_losses.FunctionLosses of a trial, for the probes
        self.stream = None  # inside.stream.Stream where this process is monitored
        self.sign_ns = sys.maxsize  # when a call of a model is to be written at the latest, of a monitored process
        self.patches = []  # fixes applied from inside, patches.base.Patch
        self.armed = []  # names of the probes that are in place
        self.failed = {}
        self.ended = False
        self.threads = Threads()
        self._names = {}
        self._flushes = deque(maxlen=256)
        self._next_look_ns = self._next_memory_ns = 0
        self._wake_at_step = 1

    # -- marks -----------------------------------------------------------------------------------------------------

    def mark(self, kind, obj=0, a=0, b=0):
        """Append one mark. The hot probes inline this."""
        self.rows.append(pack(now_ns(), kind | obj << 8 | self.threads[get_ident()], a, b))

    def fact(self, kind, **values):
        """Append one line to facts.jsonl."""
        values = dict(fact=kind, t=now_ns(), **values)
        self.recorder.fact(json.dumps(values, default=str))

    def name_id(self, name):
        """A number for a name; the name is noted once."""
        known = self._names.get(name)
        if known is None:
            known = self._names[name] = len(self._names)
            self.fact("name", id=known, name=str(name)[:200])
        return known

    def broke(self, probe, error):
        """A probe failed in the user's process: note it; its patch stays harmless or is undone by the caller."""
        if probe not in self.failed:
            self.failed[probe] = "%s: %s" % (type(error).__name__, error)
            try:
                self.fact("failed", probe=probe, reason=self.failed[probe])
            except Exception:  # not even that can be said; self.failed is told at the end
                pass

    # -- the step clock --------------------------------------------------------------------------------------------

    def step_ended(self, clock, at_ns):
        """Called by probes at the end of what looks like a step. One write, and rarely more."""
        if clock == self.clock and at_ns < self._next_look_ns and self.device_clock is None:
            step = self.steps + 1
            if step < self._wake_at_step:
                self.steps = step
                self.recent.append(at_ns)
                self.sparse = self.short and step % DETAIL_EVERY
                self.recorder.flush()
                self.own_ns = now_ns() - at_ns
                return
        self._step_ended(clock, at_ns)
        self.own_ns = now_ns() - at_ns

    def _step_ended(self, clock, at_ns):
        if self.ended:
            return
        if self.clock != clock and not self._take_clock(clock):
            self.recorder.flush()
            return
        self.steps += 1
        self.recent.append(at_ns)
        self.sparse = self.short and self.steps % DETAIL_EVERY
        if self.device_clock is not None:
            self._device_step_began()
        if self.steps < self._wake_at_step and at_ns < self._next_look_ns:
            self.recorder.flush()
            return
        try:
            self._timed_flush()
            self._look_up(at_ns)
        except Exception as error:
            self.broke("clock", error)

    def not_the_last(self, at_ns):
        """An optimizer has stepped that does not end the step: write what there is."""
        self.recorder.flush()
        self.own_ns = now_ns() - at_ns

    def sign(self, at_ns):
        """An evaluation is going on, of which nothing would be written until the next step: write a sign of life."""
        self.sign_ns = at_ns + SIGN_EVERY_NS
        self.recorder.flush()

    def take_own_ns(self):
        """What the session did at the last step end, once."""
        own, self.own_ns = self.own_ns, 0
        return own

    def device_phase_ended(self, phase):
        """A phase (marks.PHASE_*) has been launched; an event that fails ends device timing, not the script."""
        try:
            self.device_clock.phase_ended(phase)
        except Exception as error:
            self.device_clock = self.make_device_clock = None
            self.broke("device clock", error)

    def _device_step_began(self):
        try:
            self.device_clock.step_began(self.steps)
        except Exception as error:
            self.device_clock = self.make_device_clock = None
            self.broke("device clock", error)

    def _timed_flush(self):
        """Flush, and remember what it cost: the part of our own cost that depends on the file system."""
        started = now_ns()
        self.recorder.flush()
        self._flushes.append(now_ns() - started)
        if len(self._flushes) == 4:
            self._note_flush_cost()

    def _note_flush_cost(self):
        if self._flushes:
            middle = sorted(self._flushes)[len(self._flushes) // 2]
            self.fact("cost", what="flush", ns=middle, how="median of %d writes to the recording" % len(self._flushes))

    def _take_clock(self, clock):
        """Whether step ends of this kind count from now on: user over optimizer over inference."""
        if CLOCKS.index(clock) <= CLOCKS.index(self.clock):
            return False
        if self.clock is None and not self._claim():
            return False
        self.clock = clock
        self.steps = 0
        self.short = self.sparse = False
        self._wake_at_step = 1
        self.recent.clear()
        return True

    def _claim(self):
        """Take a rank folder, unless this process is a helper that only happens to compute."""
        if not self.recorder.claim(_rank()) or self.recorder.closed:
            return False
        started = now_ns()
        self.fact(
            "process", pid=self.pid, rank=self.recorder.rank, world=_world(), argv0=os.path.basename(sys.argv[0] or "")
        )
        self.fact(
            "cost", what="mark", ns=_mark_cost_ns(), how="mean of 2000 marks into a scratch buffer, in this process"
        )
        self._describe_framework()
        self.startup_ns += now_ns() - started
        for patch in self.patches:
            patch.begin()
        return True

    def _describe_framework(self):
        """Settings as they are when the steps begin; again at the end, since a script may change them."""
        for describe in self.describers:
            try:
                self.fact(**describe())
            except Exception as error:
                self.broke("facts", error)

    def _look_up(self, at_ns):
        """The slow path: limits, requests, the trace window, memory."""
        self._next_look_ns = at_ns + LOOK_EVERY_NS
        self._wake_at_step = sys.maxsize
        self.short = self._steps_are_short()
        if self._limit_reached(at_ns):
            self.end(marks.END_LIMIT)
            return
        if self.memory_peaks is not None and at_ns >= self._next_memory_ns:
            self._next_memory_ns = at_ns + MEMORY_EVERY_NS
            self._note_memory()
        if self.device_clock is None and self.make_device_clock is not None:
            self.device_clock = self.make_device_clock()
        if self.window is not None:
            self._wake_at_step = self.window.look(self.steps, at_ns)
        if self.options.steps:
            self._wake_at_step = min(self._wake_at_step, self.options.steps)
        if self.trial is not None:
            self._wake_at_step = min(self._wake_at_step, self.trial.look(self.steps, at_ns))

    def _steps_are_short(self):
        """Whether sparse marks pay, and lose nothing: every model is known and an optimizer ends the steps."""
        recent = self.recent
        known = self.clock == "optimizer" and self.roots is not None and self.roots.settled and not self.detail_always
        return known and len(recent) > 16 and recent[-1] - recent[0] < SHORT_STEP_NS * (len(recent) - 1)

    def may_train_later(self):
        """Whether what is computed now is but the evaluation before a training."""
        return any(ask() for ask in self.trainers)

    def _limit_reached(self, at_ns):
        options = self.options
        if options.steps and self.steps >= options.steps:
            return True
        return bool(options.seconds and at_ns - self.armed_ns >= options.seconds * 1e9)

    def _note_memory(self):
        for device, allocated, reserved in self.memory_peaks():
            self.mark(marks.MEMORY, device, allocated, reserved)

    # -- the user's words ------------------------------------------------------------------------------------------

    def user_step(self, source=0):
        """perfkit.step() and --step-on."""
        at = now_ns()
        own = self.take_own_ns()
        self.rows.append(pack(at, marks.STEP | source << 8 | self.threads[get_ident()], 0, own))
        self.step_ended("user", at)

    # -- the end ---------------------------------------------------------------------------------------------------

    def end(self, reason):
        """End the recording: close the window, note the last figures, undo every patch. The script goes on."""
        if self.ended:
            return
        self.ended = True
        try:
            if self.window is not None:
                self.window.close_for_good()
            if self.worked and self.recorder.folder is None:
                self._claim()  # too short for its clock to have started
            if self.recorder.folder is not None and not self.recorder.closed:
                if self.memory_peaks is not None:
                    self._note_memory()
                self._describe_framework()
                self._note_flush_cost()
                for patch in self.patches:
                    patch.finish()
                if self.trial is not None:
                    self.trial.note()
                if self.stream is not None:
                    self.stream.finish()
                self.fact("ended", reason=reason, startup_ns=self.startup_ns, failed=self.failed)
                self.mark(marks.END, 0, reason)
                self.recorder.flush()
        finally:
            self.recorder.close()
            self.disarm()

    def disarm(self):
        """Undo every patch, newest first."""
        self.short = self.sparse = False
        while self.undo:
            name, function = self.undo.pop()
            try:
                function()
            except Exception as error:
                self.failed.setdefault(name, "cannot be undone: %s" % error)

    def after_fork_in_child(self):
        """A forked child is its own process: nothing of the parent's recording may be touched."""
        self.recorder.drop_after_fork()
        self.pid = os.getpid()
        self.clock = None
        self.steps = self.own_ns = 0
        self.short = self.sparse = False
        self.recent.clear()
        self._names.clear()
        self.threads.clear()
        self._wake_at_step = 1
        if self.roots is not None:
            self.roots.settled = False
        if self.window is not None:
            self.window.forget_after_fork()
        if self.trial is not None:
            self.trial.forget_after_fork()
        if self.stream is not None:
            self.stream.forget_after_fork()
        for patch in self.patches:
            patch.forget_after_fork()
        _allow_launcher(self.options.launcher)  # the permission is a process's own


class _Region:
    """with perfkit.region("name"): two marks."""

    __slots__ = ("_id",)

    def __init__(self, name):
        self._id = current.name_id(name)

    def __enter__(self):
        current.mark(marks.REGION_ENTER, self._id)

    def __exit__(self, *exc):
        current.mark(marks.REGION_EXIT, self._id)


class _Nothing:
    def __enter__(self):
        return None

    def __exit__(self, *exc):
        return None


def user_step():
    """What perfkit.step() calls."""
    if current is not None and not current.ended:
        try:
            current.user_step()
        except Exception as error:
            current.broke("step", error)


def region(name):
    """What perfkit.region() calls."""
    return _Region(name) if current is not None and not current.ended else _Nothing()


def open_session(run_dir, option_text, watch):
    """The session of this process, made on first need: by a framework, --step-on, or perfkit.step()."""
    global current
    if current is not None and not current.ended:
        return current
    session = current = Session(run_dir, Options(option_text))
    atexit.register(_at_exit, session)
    ending.register(run_dir, layout.ENDINGS)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=session.after_fork_in_child)
    if session.options.step_on:
        from .step_on import arm as arm_step_on

        session.armed += arm_step_on(session, watch, session.options.step_on)
    _allow_launcher(session.options.launcher)
    return session


def arm(run_dir, option_text, watch, boot_ns=0, import_ns=(0, 0), framework="torch"):
    """Arm the probes of the framework that has just been imported, and say so in guests.jsonl."""
    started = now_ns()
    session = open_session(run_dir, option_text, watch)
    probe = import_module("%s.probes.%s" % (__package__, PROBES[framework]))
    session.armed += probe.arm(session, watch)
    session.armed += requested.arm(session, framework, watch)
    session.startup_ns += now_ns() - started
    _shake_hands(session, boot_ns, started, import_ns, framework)
    return session


def open_from_environment():
    """For perfkit.step() in a supervised script that uses no framework we know."""
    run_dir = os.environ.get("PERFKIT_GUEST_RUN")
    if run_dir and current is None:
        session = open_session(run_dir, os.environ.get("PERFKIT_GUEST_OPTIONS", ""), None)
        session.armed.append("step")
        _shake_hands(session, 0, session.armed_ns, (0, 0), None)


def start(run_dir, option_text=""):
    """Begin a recording in code, also when the framework is already imported. Returns the session."""
    from .boot import ImportWatch

    if current is not None and not current.ended:
        raise RuntimeError("a recording is already going on in this process")
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    watch = ImportWatch()
    sys.meta_path.insert(0, watch)
    armed = None
    for framework in PROBES:
        if framework in sys.modules:
            armed = arm(run_dir, option_text, watch, framework=framework)
        else:
            watch.when(framework, partial(_arm_when_imported, run_dir, option_text, watch, framework))
    return armed


def _arm_when_imported(run_dir, option_text, watch, framework, module, started_ns, ended_ns):
    arm(run_dir, option_text, watch, import_ns=(started_ns, ended_ns), framework=framework)


def stop():
    """End a recording that `start` began."""
    if current is not None:
        current.end(marks.END_EXIT)


def _at_exit(session):
    if os.getpid() == session.pid:
        try:
            session.end(marks.END_EXIT)
        except Exception as error:
            session.failed["end"] = "%s: %s" % (type(error).__name__, error)


def _shake_hands(session, boot_ns, armed_ns, import_ns, framework):
    module = sys.modules.get(framework)
    line = {
        "pid": session.pid,
        "ppid": os.getppid() if hasattr(os, "getppid") else 0,
        "python": "%d.%d.%d" % sys.version_info[:3],
        "executable": sys.executable,
        "framework": {framework: str(getattr(module, "__version__", ""))} if module is not None else {},
        "armed": session.armed,
        "failed": session.failed,
        "boot_ns": boot_ns,
        "armed_ns": armed_ns,
        "arm_cost_ns": session.startup_ns,
        "import_ns": list(import_ns),
    }
    append_line(os.path.join(session.recorder.run_dir, layout.GUESTS), json.dumps(line))


def _allow_launcher(pid):
    """Let the launcher (and py-spy below it) read our stacks where Yama restricts ptrace to ancestors."""
    if not pid or not sys.platform.startswith("linux"):
        return
    try:
        import ctypes  # the framework has already imported it

        ctypes.CDLL(None).prctl(0x59616D61, pid, 0, 0, 0)  # PR_SET_PTRACER; an error only means no Yama
    except (OSError, AttributeError, ImportError):
        pass


def _rank():
    """This process's rank: the process group's if there is one (spawned ranks have no RANK), else the launcher's."""
    distributed = sys.modules.get("torch.distributed")
    try:
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_rank())
    except Exception:
        pass
    for variable in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        value = os.environ.get(variable, "")
        if value.isdigit():
            return int(value)
    return 0


def _world():
    for variable in ("WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE"):
        value = os.environ.get(variable, "")
        if value.isdigit():
            return int(value)
    return 1


def _mark_cost_ns():
    """What one mark costs in this process, in ns, measured on a scratch buffer."""
    scratch = Session.__new__(Session)
    scratch.rows = []
    scratch.threads = Threads()
    started = now_ns()
    for _ in range(2000):
        scratch.mark(marks.STEP)
    return (now_ns() - started) / 2000
