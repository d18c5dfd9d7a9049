"""Raw boundary marks: what the guest in the user's process writes and `analyze` reads.

A mark is four signed 64-bit words in native byte order::

    time_ns   CLOCK_MONOTONIC, the same clock for every process of one host
    tag       kind (bits 0-7) | object (bits 8-31) | thread (bits 32-62)
    a, b      two integers whose meaning depends on the kind

*object* is a small number that the guest gives to a loader, model, optimizer or name, in order of first
appearance; `facts.jsonl` beside the marks says which is which. *thread* numbers threads in order of appearance.

The meaning of a step is **not** decided here: `analyze.steps` derives it, so that it can be mended without a new
recording. Runs on Python 3.9 and imports nothing, because it lives in the user's process.
"""

VERSION = 1
# Header: eight words. The magic reads "PKMARKS1" on a little-endian machine.
MAGIC = int.from_bytes(b"PKMARKS1", "little")
HEADER_WORDS = 8  # magic, version, pid, monotonic_ns, realtime_ns (both read at the same moment), rank, 0, 0
MARK_WORDS = 4
WORD_BYTES = 8

# An *_ENTER kind is even and its *_EXIT is the next odd number, so that exit == enter + 1.
LOADER_ENTER = 2  # a DataLoader iterator's __next__; object: loader
LOADER_EXIT = 3  # a: samples in the batch (-1 unknown, -2 the loader is exhausted or raised), b: tokens (-1 unknown)
FORWARD_ENTER = (
    4  # call of an outermost model; object: model. a: FLAG_GRAD, FLAG_TRAINING, b: OWN where calls are steps
)
FORWARD_EXIT = 5  # a: samples seen in the call's inputs (-1 unknown), b: tokens (-1 unknown)
BACKWARD_ENTER = 6
BACKWARD_EXIT = 7
OPTIMIZER_ENTER = 8  # object: optimizer; a: FLAG_SCALER
OPTIMIZER_EXIT = 9  # a: FLAG_SCALER, FLAG_SPARSE, b: OWN
ZERO_GRAD_ENTER = 10  # object: optimizer
ZERO_GRAD_EXIT = 11
SAVE_ENTER = 12  # torch.save and its like; object: name of the function
SAVE_EXIT = 13
LOG_ENTER = 14  # a logging handler or a tracker; object: name of the function
LOG_EXIT = 15
REGION_ENTER = 16  # perfkit.region(); object: name
REGION_EXIT = 17
WINDOW_START_ENTER = 18  # our trace window is being opened; a: number of the window
WINDOW_START_EXIT = 19
WINDOW_STOP_ENTER = 20  # stop, export and tear down; a: number of the window
WINDOW_STOP_EXIT = 21
COMPILE_ENTER = 22  # a compiler of the framework is at work (torch._dynamo)
COMPILE_EXIT = 23
LOADER_START_ENTER = 24  # a loader's iterator is being made (its workers started); object: loader, a: len or -1
LOADER_START_EXIT = 25
CLIP_ENTER = 26  # gradients are clipped between backward and the optimizer's step, of which it counts as part
CLIP_EXIT = 27
# A function that does the whole of a step, or of several, in one: Keras' train function, a tf.function that takes gradients.
# object: function; a: ROLE_*, b: OWN.
FUNCTION_ENTER = 28
FUNCTION_EXIT = 29  # a: samples (-1 unknown, -2: the data had ended, no step was made), b: steps
CALLBACK_ENTER = 30  # the callbacks of a training loop that is the framework's own (Keras' fit); object: name
CALLBACK_EXIT = 31
# Single marks.
STEP = 40  # a step ended, said by the user; object 0: perfkit.step(), 1: --step-on. b: OWN
DEVICE_PHASE = (
    41  # read from device events; object: PHASE_*, a: duration in ns, b: number of the optimizer mark it ends at
)
MEMORY = 42  # object: device index; a: peak allocated bytes, b: peak reserved bytes, by the framework's counter
END = 43  # the recording ended; a: END_*
# Python's garbage collector has run, until now; object: name of the line that asked for it (explicit ones only),
# a: duration in ns, b: generation | GC_* bits. Only collections of 0.2 ms and more are noted.
GC = 44
# Of a monitored run (inside.stream). a: the value, the bits of a double.
LOSS = 45  # the scalar that a backward was called on; the time is the backward's, also where the value was read later
RATE = 46  # object: optimizer. Learning rate of its first group, from this step on

FLAG_GRAD = 1  # gradients were enabled
FLAG_TRAINING = 2  # model.training

ROLE_TRAIN, ROLE_EVALUATE, ROLE_PREDICT = 1, 2, 3

FLAG_SCALER = 1  # the step of a GradScaler, around the optimizer's own
FLAG_SPARSE = 2  # of the step that ends here forward, backward and zero_grad were not marked

# OWN: what perfkit itself did, in ns, from the end of the optimizer step, user's step or (b of FORWARD_ENTER) call before.

GC_EXPLICIT = 1 << 8  # somebody called gc.collect(), rather than allocations having reached the threshold
GC_BY_LIBRARY = 1 << 9  # ... and that was an installed package (torch's compiler does so), not the script

END_EXIT = 0  # the interpreter is shutting down
END_LIMIT = 1  # --steps or --for was reached
END_TRIAL = 2  # a trial had what it wanted, and ends the process

PHASE_FORWARD, PHASE_BACKWARD, PHASE_OPTIMIZER = 1, 2, 3


def tag(kind: int, obj: int = 0, thread: int = 0) -> int:
    """Pack kind, object and thread into a mark's second word."""
    return kind | obj << 8 | thread << 32
