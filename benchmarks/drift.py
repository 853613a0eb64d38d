"""How far healthy fits of one store lie apart, and what the limits of embedding drift tell from them.

`python -m benchmarks drift` reads the newest week of GNN_STATE_DIR (`gnn demo`, or `gnn load` and `gnn run`) and fits
the graph model with that week's number of steps: on everything, and on what came before the newest share of its events.
Against each of these the vectors are judged as fitted, and broken on purpose.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gnn_assets.environment import Environment
from gnn_assets.models import eligible_products
from gnn_assets.partitions import week_tables
from gnn_assets.resources import Week
from gnn_core.errors import DataError
from gnn_core.model.recommender import GraphRecommender
from gnn_core.monitoring.embeddings import PRODUCTS, EmbeddingDrift, Vectors, embedding_drift
from gnn_core.program.offline import refit
from gnn_core.scoring.audience import segment_audience
from gnn_core.snapshot import Snapshot

Float = NDArray[np.float64]
RNG_SEED = 0


def _some(vectors_PD: Float) -> NDArray[np.int64]:
    return np.flatnonzero(np.random.default_rng(RNG_SEED).random(len(vectors_PD)) < 0.25)


def _exchanged(vectors_PD: Float, which: NDArray[np.int64]) -> Float:
    broken = vectors_PD.copy()
    broken[which] = vectors_PD[np.random.default_rng(RNG_SEED).permutation(which)]
    return broken


def _scaled(vectors_PD: Float, which: NDArray[np.int64], factor: float) -> Float:
    broken = vectors_PD.copy()
    broken[which] *= factor
    return broken


def _noisy(vectors_PD: Float, size: float) -> Float:
    noise = np.random.default_rng(RNG_SEED).normal(size=vectors_PD.shape)
    return vectors_PD + size * vectors_PD.std(axis=0) * noise


BROKEN: dict[str, Callable[[Float], Float]] = {
    "as fitted": lambda v: v,
    "all norms times 1.5": lambda v: 1.5 * v,
    "norms of a quarter tripled": lambda v: _scaled(v, _some(v), 3.0),
    "rows of a quarter exchanged": lambda v: _exchanged(v, _some(v)),
    "all rows exchanged": lambda v: _exchanged(v, np.arange(len(v))),
    "noise of .3 of each spread": lambda v: _noisy(v, 0.3),
    "noise of 1": lambda v: _noisy(v, 1.0),
}
"""What is served in place of the fitted product vectors."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a reference and a way of breaking."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--new", type=float, nargs="+", default=[0.02, 0.1, 0.25, 0.5, 0.75, 0.9],
                        help="shares of the events that the reference does not know")  # fmt: skip
    shares = parser.parse_args(arguments).new
    week = _newest_week()
    steps = int(week.read("gnn_checkpoint").json("steps.json")["steps"])
    snapshot, limits = week.snapshot(), week.settings.monitoring
    served = _vectors(refit(snapshot, steps, week.settings), snapshot)
    print(f"{week.settings.store.name}, week {week.key}: {len(snapshot.events):,} events, {steps} steps, "
          f"{int(eligible_products(week, snapshot).sum()):,} eligible products\n")  # fmt: skip
    heads = f"{'new':>5s} {'served':28s} {'norm':>7s} {'norm PSI':>9s} {'cosine':>7s} {'kept':>6s} {'vehicles':>16s}"
    print(f"{heads}  limits broken")
    for share in shares:
        before = snapshot.before(_moment(snapshot, share))
        old = _vectors(refit(before, steps, week.settings), before)
        new = 1 - len(before.events) / len(snapshot.events)
        for words, broken in BROKEN.items():
            ids, vectors = served[PRODUCTS]
            found = embedding_drift(
                old, served | {PRODUCTS: (ids, broken(vectors))}, limits, reference="", new_evidence=new,
                seed=week.settings.training.seed,
            )  # fmt: skip
            print(f"{new:5.2f} {words:28s} {_line(found)}", flush=True)


def _line(found: EmbeddingDrift | str) -> str:
    if isinstance(found, str):
        return found
    d, v = found.kinds[PRODUCTS], found.kinds.get("vehicles")
    beside = f"{v.norm_change:+4.0%} {v.aligned_cosine:.2f} {v.neighbour_overlap:.2f}" if v is not None else ""
    return (
        f"{d.norm_change:+7.1%} {d.norm_psi:9.3f} {d.aligned_cosine:7.3f} {d.neighbour_overlap:6.3f} {beside:>16s}  "
        f"{len(found.breaks)}"
    )


def _moment(snapshot: Snapshot, share: float) -> np.datetime64:
    """The moment before which all but the newest `share` of the events happened."""
    ts = np.sort(snapshot.events.ts_E)
    return np.datetime64(int(ts[int(len(ts) * (1 - share))]), "us")


def _vectors(model: GraphRecommender, train: Snapshot) -> dict[str, Vectors]:
    """As `models.stored_vectors` reads them from an artifact."""
    vehicles = model.user_vectors(segment_audience(train))
    return {
        PRODUCTS: (train.product_ids, model.product_vectors()[:, :-1].astype(np.float64)),
        "vehicles": (train.segment_ids, vehicles[:, :-1].astype(np.float64)),
    }


def _newest_week() -> Week:
    where = Environment.from_variables()
    settings = where.settings()
    store = where.artifacts(settings)
    judged = [w for w in store.weeks() if w[:1].isdigit() and store.exists(w, "gnn_checkpoint")]
    if not judged:
        raise DataError(f"no week under {store.root} has fitted a graph model; run `gnn demo` or `gnn run` first")
    warehouse = where.warehouse(settings)
    tables = week_tables(judged[-1], settings.warehouse.work_dataset)
    return Week(judged[-1], settings, store, warehouse, warehouse, tables, where.training_dir)


if __name__ == "__main__":
    main()
