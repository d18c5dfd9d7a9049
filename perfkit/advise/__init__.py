"""What to change: Evidence gathers what analysis knows about a run, and each rule in `rules` judges it.

::

    evidence   one typed object, computed lazily; can be made literally in a test
    lazy       the mechanism beneath it: a fact is computed once, or has a reason why not
    registry   finds the rules, asks each for its evidence by parameter name, ranks what they say
    rules/     one rule per file; its docstring is what `perfkit explain RULE` prints
"""
