"""Attributes replaced in the user's process, reversibly."""


def replace(owner, attribute, make):
    """Replace ``owner.attribute`` by ``make(original)``; returns what puts it back, which may be called twice."""
    own = vars(owner).get(attribute)
    original = getattr(owner, attribute)
    replacement = make(original)
    setattr(owner, attribute, replacement)

    def undo():
        if vars(owner).get(attribute) is not replacement:
            return  # somebody wrapped it after us; ours stays below theirs, harmless
        if own is None:
            delattr(owner, attribute)
        else:
            setattr(owner, attribute, own)

    return undo
