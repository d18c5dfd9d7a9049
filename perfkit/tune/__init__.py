"""Tries fixes on the unchanged script, measures them, and decides: nothing is called a speed-up that was not measured.

::

    figures     what a recorded process says of its speed, its losses and its memory
    candidates  which fixes are worth trying, and what is said of them beforehand
    trial       one fresh process with some of them
    plan        how many processes there is time for
    screen      which fixes cannot be worth a round, by turns within one process
    search      rounds of processes in turn, looks, verdicts, and the kept fixes together
    guards      whether the training is still the same training
    ledger      tune.json: everything that was measured, written after every process
    changes     the change to make in the user's code
    document    what was found out, as the rows of tune.json
    edits/      what each fix is there: an edit where its place is certain, else the lines to write
    session     the whole: `tune(...)`
"""
