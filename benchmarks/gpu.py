"""What a GPU changes: time, memory, and the numbers themselves. Run where there is one; `--devices cpu` works anywhere.

Trains the graph model on a simulated store, on each device, from the same seed, and prints: seconds a step, peak
memory, validation Recall@10, the largest distance of the two loss curves, and how far vectors and scores of the same
weights lie apart. Dropout draws other masks on other devices, so losses are compared without it, Recall@10 as
configured.

    python -m benchmarks gpu --prepare stores/small --sizes small     # needs the platform's packages, not a GPU
    python -m benchmarks gpu --stores stores --sizes small            # needs torch, PyG, pandas, pyarrow, safetensors
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.stores import read_tables, settings_of, simulated_tables, snapshot_of, timeline_of, write_tables
from gnn_core.config import Settings
from gnn_core.evaluation.evaluate import recall_validator
from gnn_core.graph.interactions import kind_weights
from gnn_core.graph.split import Cut
from gnn_core.model.recommender import GraphRecommender
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.snapshot import Snapshot
from gnn_core.training.batches import BatchMaker
from gnn_core.training.checkpoint import from_bytes, to_bytes
from gnn_core.training.determinism import pinned
from gnn_core.training.examples import build_examples, event_log
from gnn_core.training.negatives import NegativeSampler

TOLERANCES = {"loss": 1e-3, "vectors": 1e-5, "scores": 1e-5}
"""Largest relative distance of two loss curves without dropout, and of vectors and scores of the same weights by
‖a − b‖ / ‖b‖. Single precision rounds at 6e-8; sums of a few thousand terms in another order reach 1e-6."""
WARM_UP = 2
"""Steps left out of the timing: the first ones load kernels and choose algorithms."""
SCORED_ROWS = 4_096
"""Audience rows whose scores are compared: enough for a distance, and a fraction of a second on a CPU."""


@dataclass
class Fit:
    """One training run."""

    size: str
    device: str
    encoder: str
    dropout: float
    steps: int
    seconds_plan: float
    """From the snapshot to the first step: graphs, constants, folds; all on the CPU."""
    seconds_step: float
    """Median, batches included, validation not."""
    seconds_batch: float
    """Median of making one batch, on the CPU; the GPU waits for it."""
    peak_mib: float
    """CUDA: most memory allocated on the device. CPU: the process's largest size so far."""
    best_step: int
    recall: float
    losses: list[float] = field(repr=False)
    curve: list[float] = field(repr=False)
    """Validation Recall@10 by validation."""


def chip(device: str) -> str:
    """Name of the processor that a device stands for."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    with open("/proc/cpuinfo") as lines:
        named = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "CPU")
    return f"{named}, {torch.get_num_threads()} thread(s)"


class Watch:
    """Times steps from the progress calls of a fit, and batches from the folds' own makers."""

    def __init__(self, validate_every: int) -> None:
        self._every = validate_every
        self.losses: list[float] = []
        self.steps: list[float] = []
        self.first: float | None = None
        self._last: float | None = None

    def __call__(self, step: int, _of: int, loss: float) -> None:
        """Called after each step; the loss has been read, so the device is idle."""
        now = time.perf_counter()
        self.first = self.first or now
        self.losses.append(loss)
        # A step after a validation would count it.
        if self._last is not None and step > WARM_UP and (step - 1) % self._every:
            self.steps.append(now - self._last)
        self._last = now


def fit(size: str, device: str, snapshot: Snapshot, cut: Cut, steps: int, **model: Any) -> tuple[Fit, GraphRecommender]:
    """Train once."""
    settings = settings_of(training={"device": device, "max_steps": steps, "patience": steps}, model=model)
    train = snapshot.before(cut.fitted_before)
    eligible_P = eligible_mask(snapshot.products, settings.eligibility)
    watch = Watch(settings.training.validate_every)
    recommender = GraphRecommender(
        settings,
        validator=recall_validator(snapshot.before(cut.end), train, cut, settings, eligible_P),
        progress=watch,
    )
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    recommender.fit(train)
    curve = [entry["validation_recall_at_10"] for entry in recommender.history]
    peak = (
        torch.cuda.max_memory_allocated() / 2**20
        if device == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    )
    return (
        Fit(
            size=size,
            device=device,
            encoder=settings.model.encoder,
            dropout=settings.model.dropout,
            steps=len(watch.losses),
            seconds_plan=(watch.first or started) - started,
            seconds_step=median(watch.steps),
            seconds_batch=_batch_seconds(train, settings),
            peak_mib=peak,
            best_step=recommender.best_step,
            recall=max(curve),
            losses=watch.losses,
            curve=curve,
        ),
        recommender,
    )


def _batch_seconds(train: Snapshot, settings: Settings, draws: int = 5) -> float:
    """Median time to make one batch; measured beside the fit, so that watching it does not slow it down."""
    kinds = kind_weights(settings.graph)
    log = event_log(train, kinds, settings.graph.decay_tau_days)
    examples = build_examples(train, log, kinds, settings.training.loss_tau_days)
    taken_P = np.bincount(train.events.product_E, minlength=len(train.product_ids)).astype(np.float64)
    maker = BatchMaker(
        settings.training,
        examples.take(examples.weight_N > 0),
        log,
        train.owns_US,
        NegativeSampler(train, taken_P),
        np.full(len(train.user_ids), -1, dtype=np.int64),
        len(train.product_ids),
    )
    taken = []
    with pinned(settings.training.threads, settings.training.seed):
        for seed in range(draws):
            started = time.perf_counter()
            maker.make(np.random.default_rng(seed))
            taken.append(time.perf_counter() - started)
    return median(taken)


def distances(reference: GraphRecommender, snapshot: Snapshot, cut: Cut, device: str) -> dict[str, float]:
    """The same weights on another device: how far vectors and scores lie from the CPU's, and how often the best four
    products are the same."""
    train = snapshot.before(cut.fitted_before)
    stored = to_bytes(reference.to_checkpoint())
    both = []
    audience, _ = build_audience(train, np.arange(len(train.user_ids)))
    rows = min(len(audience), SCORED_ROWS)
    for where in ("cpu", device):
        settings = settings_of(training={"device": where}, model=dict(reference.to_checkpoint().meta["model"]))
        model = GraphRecommender.from_checkpoint(from_bytes(stored), train, settings)
        vectors = np.concatenate([model.product_vectors(), model.user_vectors(audience)[:rows]])
        model.prepare(audience)
        both.append((vectors, model.score_block(0, rows)))
    (vectors, scores), (others, their_scores) = both
    best, theirs = (np.argsort(-s, axis=1, kind="stable")[:, :4] for s in (scores, their_scores))
    return {
        "vectors": _distance(others, vectors),
        "scores": _distance(their_scores, scores),
        "largest score difference": float(np.abs(their_scores - scores).max()),
        "same first four": float((best == theirs).all(axis=1).mean()),
    }


def _distance(found: np.ndarray, wanted: np.ndarray) -> float:
    found, wanted = found.astype(np.float64), wanted.astype(np.float64)
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def _curves_apart(one: Sequence[float], other: Sequence[float]) -> float:
    return float(max(abs(a - b) / abs(b) for a, b in zip(one, other, strict=True)))


def run(
    size: str, tables: Path | None, devices: Sequence[str], steps: int, encoders: Sequence[str], *, once: bool
) -> dict[str, Any]:
    """All fits of one store; `once` leaves out those with dropout and the repetition."""
    print(f"reading {size} …", flush=True)
    snapshot = snapshot_of(read_tables(tables) if tables else simulated_tables(size, 17))
    cut = timeline_of(settings_of()).validation[0]
    fits: list[Fit] = []
    compared: list[dict[str, Any]] = []
    for encoder in encoders:
        plain: dict[str, tuple[Fit, GraphRecommender]] = {}
        for device in devices:
            plain[device] = fit(size, device, snapshot, cut, steps, encoder=encoder, dropout=0.0)
            done = [plain[device][0]]
            if not once:
                done.append(fit(size, device, snapshot, cut, steps, encoder=encoder)[0])
            fits += done
            print("\n".join(map(_line, done)), flush=True)
        if len(devices) > 1:
            reference, model = plain[devices[0]]
            for device in devices[1:]:
                losses = plain[device][0].losses
                found = {
                    "size": size,
                    "encoder": encoder,
                    "device": device,
                    "loss": _curves_apart(losses, reference.losses),
                    **distances(model, snapshot, cut, device),
                }
                if not once:
                    again, _ = fit(size, device, snapshot, cut, steps, encoder=encoder, dropout=0.0)
                    found["loss, same device twice"] = _curves_apart(again.losses, losses)
                compared.append(found)
                print(json.dumps(found), flush=True)
    return {"fits": [asdict(f) for f in fits], "compared": compared}


def _line(f: Fit) -> str:
    return (
        f"| {f.size} | {f.encoder} | {f.device} | {f.dropout:g} | {f.steps} | {f.seconds_plan:.1f} | "
        f"{f.seconds_step:.4f} | {f.seconds_batch:.4f} | {f.peak_mib:,.0f} | {f.recall:.4f} | {f.best_step} | "
        f"{f.losses[0]:.5f} | {f.losses[-1]:.5f} |"
    )


HEAD = (
    "| store | encoder | device | dropout | steps | s to first step | s/step | of it, s/batch (CPU) | peak MiB | "
    "best Recall@10 | at step | first loss | last loss |"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["small"])
    parser.add_argument("--devices", nargs="+", default=["cpu", "cuda"], choices=("cpu", "cuda"))
    parser.add_argument("--encoders", nargs="+", default=["light"], choices=("light", "sage", "gat"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--once", action="store_true", help="without dropout only, nothing repeated")
    parser.add_argument("--stores", type=Path, help="folder with one folder of prepared tables a size")
    parser.add_argument("--prepare", type=Path, help="write the tables of the first size into this folder, and stop")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if options.prepare:
        write_tables(simulated_tables(options.sizes[0], 17), options.prepare)
        return
    if "cuda" in options.devices and not torch.cuda.is_available():
        parser.error("this machine has no CUDA device; run with --devices cpu, or on one that has")
    print(f"torch {torch.__version__}, python {platform.python_version()}; " + "; ".join(map(chip, options.devices)))
    print(HEAD)
    found = {}
    for size in options.sizes:
        folder = options.stores / size if options.stores else None
        found[size] = run(size, folder, options.devices, options.steps, options.encoders, once=options.once)
    print("\n" + HEAD + "\n" + "|---" * 13 + "|")
    for result in found.values():
        print("\n".join(_line(Fit(**f)) for f in result["fits"]))
    beyond = 0
    for result in found.values():
        for row in result["compared"]:
            for name, tolerance in TOLERANCES.items():
                holds = row[name] <= tolerance
                beyond += not holds
                print(f"{row['size']} {row['encoder']}: {name} {row[name]:.2e} apart ({tolerance:g} allowed)")
            print(f"{row['size']} {row['encoder']}: same first four products for {row['same first four']:.2%} of rows")
            if "loss, same device twice" in row:
                print(
                    f"{row['size']} {row['encoder']}: loss of a second run {row['loss, same device twice']:.2e} apart"
                )
    if options.json:
        options.json.write_text(json.dumps({"chips": {d: chip(d) for d in options.devices}, **found}, indent=1))
    if beyond:
        raise SystemExit(f"{beyond} distance(s) beyond tolerance")


if __name__ == "__main__":
    main()
