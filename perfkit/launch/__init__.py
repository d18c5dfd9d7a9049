"""Starts and supervises the user's command; the host, device and stack samplers run here, outside its
process.

::

    request     what is to be profiled, and what came of it
    interpreter which Python, and why
    command     the argument vector
    environment what the child finds in its environment
    rundir      the run's directory, made before anything starts
    child       one process: started faithfully, signals passed on once, its end reported exactly
    session     the samplers around a process, started and stopped together
    supervise   the whole: `profile(request)`
    watch       the same samplers for a process that somebody else started
"""
