"""How a probe puts its hooks in place."""

from ..replace import replace


def place_all(session, hooks, *given):
    """Place every hook, (name, function) pairs; returns the names of those that are. One that cannot be placed is noted, not raised."""
    armed = []
    for name, place in hooks:
        try:
            place(session, *given)
            armed.append(name)
        except Exception as error:
            session.broke(name, error)
    return armed


def replaced(session, name, owner, attribute, make):
    """Replace ``owner.attribute`` by ``make(original)``, until the session ends."""
    session.undo.append((name, replace(owner, attribute, make)))
