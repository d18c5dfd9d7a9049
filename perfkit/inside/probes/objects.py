"""Small numbers for the objects that marks speak of."""

import weakref

from ..session import now_ns


class Objects:
    """Numbers objects in order of appearance and notes a fact about each of the first few.

    ``known`` maps ``id(object)`` to its number for the hot paths; an entry goes when its object does.
    """

    MOST = 64

    def __init__(self, session, describe):
        self._session, self._describe = session, describe
        self.known = {}
        self._references = {}
        self._count = 0

    def id_of(self, thing):
        """The object's number; facts are noted on first sight."""
        number = self.known.get(id(thing))
        return self._meet(thing) if number is None else number

    def alive(self):
        """The objects that still exist, in order of appearance."""
        return [thing for thing in (reference() for reference in list(self._references.values())) if thing is not None]

    def _meet(self, thing):
        key, number = id(thing), self._count
        self._count += 1

        def forget(_, known=self.known, references=self._references):
            known.pop(key, None)
            references.pop(key, None)

        self._references[key] = weakref.ref(thing, forget)
        self.known[key] = number
        if number < self.MOST:
            self._note(number, thing)
        return number

    def _note(self, number, thing):
        started = now_ns()
        try:
            self._session.fact(id=number, **self._describe(thing))
        except Exception as error:
            self._session.broke("facts", error)
        self._session.startup_ns += now_ns() - started
