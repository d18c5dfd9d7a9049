"""Functions that do the whole of a step in one call, as marks."""

from threading import get_ident

from ...model import marks
from ...runs.recorder import pack_pair
from ..session import now_ns
from .cycle import Cycle
from .objects import Objects

# (steps, samples) of a call that found no more data, or failed.
NO_STEP = (0, -2)


class Functions(Cycle):
    """Calls of such functions, of every probe of one process: the outermost counts, whoever marks it.

    ``active`` holds the threads that are inside one. Functions are numbered by the objects that they belong to (a model, a tf.function).
    """

    def __init__(self, session):
        super().__init__(session, "function")
        self.objects = Objects(session, self._describe)
        self.active = set()
        self._facts = {}

    def call(self, owner, role, function, args, kwargs, batch):
        """Call *function* and mark it. *batch* is asked afterwards, with its arguments: (steps, samples)."""
        session, active = self.session, self.active
        thread = session.threads[get_ident()]
        if session.ended or thread in active:
            return function(*args, **kwargs)
        own, session.own_ns = session.own_ns, 0
        active.add(thread)
        told = NO_STEP
        began = now_ns()
        try:
            result = function(*args, **kwargs)
            told = self._asked(batch, args)
            if session.losses is not None and role == marks.ROLE_TRAIN:
                self.note_loss(result, told[1], owner)
            return result
        finally:
            at = now_ns()
            active.discard(thread)
            self.mark(owner, role, (began, at), told, own)

    def _asked(self, batch, args):
        try:
            return batch(args)
        except Exception as error:
            self.session.broke("batches", error)
            return 1, -1

    def note_loss(self, result, samples=-1, owner=None):
        """Of a trial: keep the loss in what a step (of the model *owner*) has returned."""
        try:
            self.session.losses.note(result, samples, owner)
        except Exception as error:
            self.session.broke("losses", error)

    def mark(self, owner, role, span, told, own=0):
        """A call is over: from and to in *span*, (steps, samples) in *told*."""
        session = self.session
        try:
            number = self.objects.id_of(owner)
            where = number << 8 | session.threads[get_ident()]
            began, at = span
            steps, samples = told
            enter, leave = marks.FUNCTION_ENTER | where, marks.FUNCTION_EXIT | where
            session.rows.append(pack_pair(began, enter, role, own, at, leave, samples, steps))
            if steps:
                self._ended(number, role, steps, at)
        except Exception as error:
            session.broke("function", error)

    def _ended(self, number, role, steps, at_ns):
        session = self.session
        session.worked = True
        if role == marks.ROLE_TRAIN:
            self.stepped(number, at_ns)
            if session.clock == "function":
                session.steps += steps - 1
            if steps > 1 and session.window is not None:
                session.window.bar("several steps are made in one call of the train function")
        elif session.clock in (None, "inference"):
            session.step_ended("inference", at_ns)
        if at_ns >= session.sign_ns:
            session.sign(at_ns)

    def describe_with(self, kind, describe):
        """Facts about owners of the class *kind* are told by ``describe(owner)``."""
        self._facts[kind] = describe

    def _describe(self, owner):
        for kind, describe in self._facts.items():
            if isinstance(owner, kind):
                return describe(owner)
        return {"kind": "function", "class": type(owner).__name__}


def of(session):
    """The one `Functions` of the session."""
    found = getattr(session, "functions", None)
    if found is None:
        found = session.functions = Functions(session)
    return found


def rows_of(data, depth=4):
    """First dimension of the first array in *data*, -1 where there is none. It never raises: the data are the user's."""
    try:
        while depth:
            depth -= 1
            shape = getattr(data, "shape", None)
            if shape is not None:
                return int(shape[0])
            if isinstance(data, dict):
                data = next(iter(data.values()), None)
            elif isinstance(data, (list, tuple)) and data:
                data = data[0]
            else:
                return -1
    except Exception:  # no number of rows, or an object that is no array after all
        pass
    return -1
