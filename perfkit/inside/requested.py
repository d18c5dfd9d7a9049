"""What a run was asked to do beside being recorded: fixes, a trial, marks for a monitor. Armed as each framework is imported."""

import json
import os
import sys

from ..runs import layout


def arm(session, framework, watch):
    """Arm what *framework*, just imported, is capable of; names of what is on. Never raises: what fails is noted, and the script runs."""
    options, armed = session.options, []
    if options.fixes:
        armed += _tried("fixes", _fixes, session, framework, watch)
    if options.trial_steps:  # after the fixes: its losses are those that the script means
        armed += _tried("trial", _trial, session, framework, watch)
    if options.stream:
        armed += _tried("stream", _stream, session, framework, watch)
    return armed


def _tried(what, arming, session, framework, watch):
    try:
        return arming(session, framework, watch)
    except Exception as error:
        session.broke(what, error)
        return []


def _fixes(session, framework, watch):
    """What fixes.json asks for."""
    from . import patches

    with open(os.path.join(session.recorder.run_dir, layout.FIXES), encoding="utf-8") as file:
        return patches.arm(session, framework, watch, json.load(file))


def _trial(session, framework, watch):
    """Let this process stop itself when the trial has what it wants."""
    first = session.trial is None
    if first:
        from .trial import Trial

        session.trial = Trial(session, _turns(session))
    if framework == "torch":
        from .torch_losses import TorchLosses

        session.trial.keep(TorchLosses(session, sys.modules["torch"]), watch)
    elif session.losses is None:
        from .function_losses import FunctionLosses

        session.trial.keep(FunctionLosses(session), watch)
    return ["trial"] if first else []


def _turns(session):
    """The screening or the relay that this trial is, if it is one."""
    if session.options.screen_steps:
        from .screening import Screening

        return Screening(session)
    if session.options.legs:
        from .relay import Relay

        return Relay(session)
    return None


def _stream(session, framework, watch):
    """Mark losses and learning rates: this process is monitored."""
    session.sign_ns = 0  # an evaluation shows that it goes on
    if framework != "torch":
        return []
    from .stream import Stream

    stream = Stream(session, sys.modules["torch"])
    stream.arm(watch)
    session.stream = stream
    return ["stream"]
