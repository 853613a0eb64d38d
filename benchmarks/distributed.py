"""What a second process gains: seconds a training step with 1, 2, … processes of one thread, on the same batches.

Each run is `torchrun` on this machine. The loss curves must be the same; the time is whatever the machine gives.

    python -m benchmarks distributed --processes 1 2 --size small [--stores DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.stores import read_tables, settings_of, simulated_tables, snapshot_of, timeline_of, write_tables

TOLERANCE = 1e-4
"""Relative; sums over processes round in another order, and a few dozen steps carry that on."""


def _measure(tables: Path, steps: int, device: str, batches: int, answer: Path) -> None:
    """One process of a run; the first one writes what it saw."""
    from gnn_core.model.recommender import GraphRecommender
    from gnn_core.training.distributed import joined

    seen: list[tuple[float, float]] = []
    training = {"device": device, "micro_batches": batches, "max_steps": steps}
    settings = settings_of(training=training)
    snapshot = snapshot_of(read_tables(tables))
    train = snapshot.before(timeline_of(settings).validation[0].fitted_before)
    started = time.perf_counter()
    with joined(device, int(os.environ["LOCAL_RANK"]), settings.training.process_timeout_s) as processes:
        model = GraphRecommender(settings, progress=lambda step, of, loss: seen.append((time.perf_counter(), loss)))
        model.fit(train)
        if processes.is_first:
            # The first two steps warm up; without validation, what lies between two steps is a step.
            between = [later - earlier for (earlier, _), (later, _) in pairwise(seen[1:])]
            found = {
                "seconds_plan": seen[0][0] - started,
                "seconds_step": median(between),
                "losses": [loss for _, loss in seen],
            }
            answer.write_text(json.dumps(found))


def run(processes: int, tables: Path, steps: int, device: str, batches: int) -> dict[str, Any]:
    """Start as many processes and return what the first one saw.

    Raises:
        SystemExit: one of them failed; its own output says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command += ["-m", "benchmarks.distributed", "--worker", str(answer), "--stores", str(tables)]
        command += ["--steps", str(steps), "--device", device, "--batches", str(batches)]
        done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
        if done.returncode:
            raise SystemExit(f"the run with {processes} process(es) failed; its output is above")
        found: dict[str, Any] = json.loads(answer.read_text())
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks distributed", description=__doc__)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size", default="small")
    parser.add_argument("--stores", type=Path, help="folder with prepared tables; else the store is simulated")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batches", type=int, help="batches a step (default: the largest number of processes)")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    batches = options.batches or max(options.processes)
    if options.worker:
        _measure(options.stores, options.steps, options.device, batches, options.worker)
        return
    with tempfile.TemporaryDirectory() as folder:
        tables = options.stores or Path(folder)
        if options.stores is None:
            write_tables(simulated_tables(options.size, 17), tables)
        found = {n: run(n, tables, options.steps, options.device, batches) for n in options.processes}
    first = found[options.processes[0]]
    print(f"{os.cpu_count()} cores; {batches} batches a step; one thread a process")
    print("| processes | s to first step | s/step | speed-up | first loss | last loss | largest distance of losses |")
    print("|---" * 7 + "|")
    worst = 0.0
    for n, result in found.items():
        apart = max(abs(a - b) / abs(b) for a, b in zip(result["losses"], first["losses"], strict=True))
        worst = max(worst, apart)
        print(
            f"| {n} | {result['seconds_plan']:.1f} | {result['seconds_step']:.3f} | "
            f"{first['seconds_step'] / result['seconds_step']:.2f} | {result['losses'][0]:.5f} | "
            f"{result['losses'][-1]:.5f} | {apart:.1e} |"
        )
    if worst > TOLERANCE:
        raise SystemExit(f"the loss curves lie {worst:.1e} apart; {TOLERANCE:g} are allowed")


if __name__ == "__main__":
    main()
