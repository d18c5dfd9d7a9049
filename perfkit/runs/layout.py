"""Where things lie in a run directory. Names only; stdlib-free, also read in the user's process (Python 3.9).

::

    <root>/latest                     text file: the id of the newest run
    <root>/tunes/<id>/                a tune (`perfkit tune`): tune.json, its ledger, and in runs/ every process it ran,
                                      which are no runs of the root's own and never its latest
    <root>/spool/                     alerts that a sink could not take yet (monitor.alerts.spool)
    <root>/runs/<id>/
        run.json                      RunInfo (model.records)
        fixes.json                    fixes asked for, [{name, parameters}]; none: no such file (inside.patches)
        boots.log                     one line per Python process that booted: pid ppid monotonic_ns
        guests.jsonl                  one line per process that armed: what armed, what failed and why
        control/                      requests to a running job (see CONTROL_*)
        endings.jsonl                 one line per process that an exception ended: its class (inside.ending)
        host.jsonl                    host samples: tree CPU, RSS, I/O (launch.host)
        nvml.jsonl                    device samples (launch.nvml)
        stacks-<name>.txt             collapsed stacks with counts (launch.stacks)
        script.json                   habits found in the script's source (launch.script_facts)
        monitor.jsonl                 of a monitored run: its model's facts, metrics, events, alerts and states (monitor.record)
        stages.jsonl                  one line per outermost stage of a script without steps (inside.stages)
        hang-stacks.txt               of a monitored run that hung: what every thread did (monitor.live.watcher)
        effects.jsonl                 files, hosts and programs that it touched, where asked for (inside.effects)
        stdout.txt, stderr.txt        of a trial: the end of what it printed, secrets masked (launch.trial)
        stacks.json                   when each stack window was open, and at what rate
        rank-00000/                   one folder per process that steps
            marks.bin                 boundary marks (model.marks)
            facts.jsonl               what the marks' objects are; loader, model and optimizer facts; fixes; window notes
            losses.json               of a trial: {unit, samples, loss}, the loss of each backward (inside.losses)
            trace-000.json[.gz]       exported trace windows
"""

RUNS = "runs"
LATEST = "latest"
TUNES = "tunes"
SPOOL = "spool"
TUNE_JSON = "tune.json"
RUN_JSON = "run.json"
FIXES = "fixes.json"
BOOTS = "boots.log"
GUESTS = "guests.jsonl"
CONTROL = "control"
HOST_SAMPLES = "host.jsonl"
NVML_SAMPLES = "nvml.jsonl"
STACKS_INDEX = "stacks.json"
SCRIPT_FACTS = "script.json"
ENDINGS = "endings.jsonl"
EFFECTS = "effects.jsonl"
MONITOR = "monitor.jsonl"
STAGES = "stages.jsonl"
STDOUT = "stdout.txt"
STDERR = "stderr.txt"

RANK_PREFIX = "rank-"
MARKS = "marks.bin"
FACTS = "facts.jsonl"
LOSSES = "losses.json"
TRACE_PREFIX = "trace-"
TRACE_ENDINGS = (".json", ".json.gz", ".xplane.pb", ".xplane.pb.gz")

# Files in control/: a request is made by creating one, and answered by removing it.
CONTROL_TRACE = "trace"  # open one more trace window at the next step boundary
CONTROL_SAMPLING = "sampling-stacks"  # there while stacks are sampled: no trace window opens meanwhile
CONTROL_WINDOW_AT = "window-at"  # rank 0's decision: the step index at which every rank opens
CONTROL_TRIAL_OVER = "trial-over"  # rank 0 of a trial has ended, and why
CONTROL_LEG_OVER = "leg-over"  # there while a process of a relay waits for its next leg

SCHEMA_VERSION = 1


def rank_folder(rank: int, restart: int = 0) -> str:
    """Name of the folder that *rank* records into; a second claimant gets a suffix."""
    name = "%s%05d" % (RANK_PREFIX, rank)
    return name if restart == 0 else "%s.%d" % (name, restart)


def trace_file(index: int, ending: str = ".json") -> str:
    """Name of the *index*-th trace window of a rank; *ending* is one of TRACE_ENDINGS."""
    return "%s%03d%s" % (TRACE_PREFIX, index, ending)
