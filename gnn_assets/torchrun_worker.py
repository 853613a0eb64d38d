"""One of several processes that fit a week's models together; started by torchrun.py, never by hand.

    torchrun … -m gnn_assets.torchrun_worker PLATFORM WEEK ARTIFACT ANSWER

PLATFORM is the resource's fields as JSON, ARTIFACT one of fitting.FITS. Every process reads the same week and fits the
same models; the first one stores them, and writes the artifact's version into the file ANSWER.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from pathlib import Path

from gnn_assets import progress, worker_lines
from gnn_assets.fitting import FITS
from gnn_assets.resources import Platform
from gnn_core.errors import GnnCoreError
from gnn_core.training.distributed import joined


def main(platform: str, key: str, name: str, answer: str) -> None:
    """Join, fit, and let the first process write."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)
    # The others would say the same again.
    logging.getLogger("gnn_core").setLevel(logging.INFO if rank == 0 else logging.WARNING)
    week = Platform(**json.loads(platform)).week(key)
    training = week.settings.training
    with joined(training.device, int(os.environ["LOCAL_RANK"]), training.process_timeout_s) as processes:
        worker_lines.write(f"process {rank} of {size} has joined: pid {os.getpid()}")
        with progress.reported_to(worker_lines.write_step):
            artifact = FITS[name](week, processes)
    if artifact is not None:
        Path(answer).write_text(artifact.version)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except GnnCoreError as error:
        worker_lines.write(f"process {os.environ['RANK']}: {type(error).__name__}: {error}")
        sys.exit(1)
    except Exception:
        worker_lines.write(f"process {os.environ['RANK']}:\n{traceback.format_exc()}")
        sys.exit(1)
