"""One of several processes that train the small world together; started by test_distributed.py, never collected.

    torchrun ... -m tests.core.training.together FOLDER TROUBLE [DEVICE]

Leaves in FOLDER: `losses.json` and `checkpoint.safetensors`, by whoever is first; the states in `rank<N>/`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import torch

from gnn_core.model.network import Network
from gnn_core.model.recommender import GraphRecommender
from gnn_core.training.batches import BatchMaker
from gnn_core.training.checkpoint import save
from gnn_core.training.distributed import joined, present
from tests.core.model.worlds import share_of_right_pairs, small_settings, two_platforms

TOGETHER = {"micro_batches": 2, "validate_every": 2, "checkpoint_every": 2}
STEPS = 8
TROUBLED_BATCH = 5
"""With two processes and two batches a step, each makes one a step: this is the batch of the fifth step."""


def trained(checkpoint_dir: Path | None = None, **training: object) -> GraphRecommender:
    """The model of the small world, alone or with the processes that were joined."""
    world = two_platforms()
    recommender = GraphRecommender(
        small_settings(training=TOGETHER | training),
        max_steps=STEPS,
        validator=lambda model: share_of_right_pairs(model, world),
        checkpoint_dir=checkpoint_dir,
    )
    recommender.fit(world)
    return recommender


def trouble(kind: str) -> None:
    """Make the second process end, hang or differ."""
    if present().is_first or kind == "none":
        return
    if kind == "differs":
        start = Network._initialise

        def other(self: Network) -> None:
            start(self)
            torch.nn.init.ones_(self.vehicle_id.weight)

        Network._initialise = other  # type: ignore[method-assign]
        return
    make, made = BatchMaker.make, []

    def troubled(self: BatchMaker, rng: object) -> object:
        made.append(1)
        if len(made) == TROUBLED_BATCH:
            if kind == "ends":
                os._exit(9)
            time.sleep(600)
        return make(self, rng)  # type: ignore[arg-type]

    BatchMaker.make = troubled  # type: ignore[method-assign, assignment]


def main() -> None:
    """Join, train, and let the first process write."""
    folder, kind, device = Path(sys.argv[1]), sys.argv[2], (*sys.argv[3:], "cpu")[0]
    with joined(device, int(os.environ["LOCAL_RANK"]), 20 if kind != "hangs" else 3) as processes:
        trouble(kind)
        recommender = trained(folder / f"rank{processes.rank}", device=device)
        if processes.is_first:
            (folder / "losses.json").write_text(json.dumps([entry["loss"] for entry in recommender.history]))
            save(recommender.to_checkpoint(), folder / "checkpoint.safetensors")


if __name__ == "__main__":
    main()
