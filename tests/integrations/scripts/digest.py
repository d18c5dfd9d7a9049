"""What a script has learned, printed so that two runs of it can be compared bit by bit."""

import hashlib
import json


def report(model, **facts):
    """One line: a digest of all weights, and the facts given, floats in full."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().contiguous().cpu().numpy().tobytes())
    plain = {key: float(value.detach()).hex() if hasattr(value, "item") else value for key, value in facts.items()}
    print("result:", json.dumps({"weights": digest.hexdigest(), **plain}), flush=True)
