"""Experiment trackers, told by their own environment variables to send nothing.

A script that says otherwise in its code (`mode="online"`, `set_tracking_uri`) is stronger than its environment: it is seen to
connect (`launch.effects`). The Hugging Face hub is not told to be offline: that would also keep models from being loaded.
"""

from __future__ import annotations

from pathlib import Path


def offline(scratch: Path) -> dict[str, str]:
    """Environment variables under which the trackers record nothing, or below *scratch*."""
    return {
        # https://docs.wandb.ai/support/testing_code_turn_off: no-operation; artifacts still go to the cache folder
        "WANDB_MODE": "disabled",
        "WANDB_CACHE_DIR": str(scratch / "wandb"),
        # https://mlflow.org/docs/latest/self-hosting: a database, for the file store raises from 3.13 on
        "MLFLOW_TRACKING_URI": f"sqlite:///{scratch / 'mlflow.db'}",
        # https://docs.neptune.ai/modes: to the local disk. ("disabled" is neptune-scale's word, "debug" the older client's.)
        "NEPTUNE_MODE": "offline",
        # clearml/backend_api/session/defs.py, version 2
        "CLEARML_OFFLINE_MODE": "1",
        # comet_ml/config.py (3.58), comet.start.online: for comet_ml.start(); an Experiment() made directly has no such switch
        "COMET_START_ONLINE": "0",
        "COMET_OFFLINE_DIRECTORY": str(scratch / "comet"),
        # https://docs.swanlab.cn/en/api/cli-swanlab-disabled.html
        "SWANLAB_MODE": "disabled",
    }
