"""How far healthy fits of one store lie apart, and what the limits of embedding drift tell from them.

`python -m benchmarks drift` reads the newest week of GNN_STATE_DIR (`gnn demo`, or `gnn load` and `gnn run`) and fits
the graph model with that week's number of steps: on everything, and on what came before the newest share of its events.
Against each of these the vectors are judged as fitted, and broken on purpose.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from gnn_assets.environment import Environment
from gnn_assets.fitting import FROZEN
from gnn_assets.models import eligible_products, vector_facts
from gnn_assets.partitions import week_tables
from gnn_assets.resources import Week
from gnn_core.errors import DataError
from gnn_core.model.recommender import GraphRecommender
from gnn_core.monitoring.blocks import BIAS, Space
from gnn_core.monitoring.embeddings import PRODUCTS, EmbeddingDrift, PartDrift, embedding_drift
from gnn_core.program.offline import Frozen, refit
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


Break = Callable[[Space], Space]


def _products(space: Space, change: Callable[[Float], Float], block: str | None = None) -> Space:
    """The space with its product vectors, or one part of them, changed."""
    ids, vectors_PO = space.vectors[PRODUCTS]
    start, stop = (0, space.blocks[BIAS][0]) if block is None else space.blocks[block]
    changed = vectors_PO.copy()
    changed[:, start:stop] = change(vectors_PO[:, start:stop])
    return replace(space, vectors={**space.vectors, PRODUCTS: (ids, changed)})


def _left_out(space: Space, block: str) -> Space:
    """The space of a model that gave a part no weight: the part has no dimensions, and carries nothing."""
    start, stop = space.blocks[block]
    kept = {kind: (ids, np.delete(v, np.s_[start:stop], axis=1)) for kind, (ids, v) in space.vectors.items()}
    moved = {
        name: tuple(c - (stop - start) if c >= stop else min(c, start) for c in columns)
        for name, columns in space.blocks.items()
    }
    rest = {
        who: {name: 0.0 if name == block else value / max(1 - of[block], 1e-9) for name, value in of.items()}
        for who, of in space.shares.items()
    }
    return Space(kept, moved, rest)


BROKEN: dict[str, Break] = {
    "as fitted": lambda space: space,
    "all norms times 1.5": lambda space: _products(space, lambda v: 1.5 * v),
    "norms of a quarter tripled": lambda space: _products(space, lambda v: _scaled(v, _some(v), 3.0)),
    "rows of a quarter exchanged": lambda space: _products(space, lambda v: _exchanged(v, _some(v))),
    "all rows exchanged": lambda space: _products(space, lambda v: _exchanged(v, np.arange(len(v)))),
    "noise of .3 of each spread": lambda space: _products(space, lambda v: _noisy(v, 0.3)),
    "noise of 1": lambda space: _products(space, lambda v: _noisy(v, 1.0)),
    "item graph: a quarter exchanged": lambda space: _products(space, lambda v: _exchanged(v, _some(v)), "items"),
    "item graph: zero": lambda space: _products(space, lambda v: 0 * v, "items"),
    "item graph: zero for a quarter": lambda space: _products(space, lambda v: _scaled(v, _some(v), 0.0), "items"),
    "item graph: left out": lambda space: _left_out(space, "items"),
}
"""What is served in place of the fitted vectors. The last is no defect: a model that weighs its parts otherwise."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a reference and a way of breaking, and one a part for the vectors as fitted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--new", type=float, nargs="+", default=[0.02, 0.1, 0.25, 0.5, 0.75, 0.9],
                        help="shares of the events that the reference does not know")  # fmt: skip
    shares = parser.parse_args(arguments).new
    week = _newest_week()
    frozen = Frozen.from_json(week.read("gnn_checkpoint").json(FROZEN))
    snapshot = week.snapshot()
    served = _space(week, refit(snapshot, frozen, week.settings), snapshot)
    print(f"{week.settings.store.name}, week {week.key}: {len(snapshot.events):,} events, {frozen.steps} steps, "
          f"start {frozen.start}, {int(eligible_products(week, snapshot).sum()):,} eligible products\n")  # fmt: skip
    for share in shares:
        before = snapshot.before(_moment(snapshot, share))
        old = _space(week, refit(before, frozen, week.settings), before)
        _print_table(week, old, served, 1 - len(before.events) / len(snapshot.events))


def _print_table(week: Week, old: Space, served: Space, new_evidence: float) -> None:
    def judged(before: Space, now: Space) -> EmbeddingDrift | str:
        return embedding_drift(
            before, now, week.settings.monitoring, reference="", new_evidence=new_evidence,
            seed=week.settings.training.seed,
        )  # fmt: skip

    fitted = judged(old, served)
    print(f"{new_evidence:.3f} of the events are new")
    if isinstance(fitted, EmbeddingDrift):
        limits = fitted.limits
        print(f"  allowed: cosine {limits.min_cosine:.3f}, kept {limits.min_overlap:.3f}, norm a factor of "
              f"{limits.max_norm_ratio:.2f}, norms moved {limits.max_norms_moved:.3f}")  # fmt: skip
        for part in fitted.parts:
            print(f"  {part.kind:9s} {part.block:11s} {_figures(part)}")
        for who, of in fitted.shares.items():
            parts = ", ".join(f"{n} {of['reference'].get(n, 0):.2f} → {v:.2f}" for n, v in of["served"].items() if v)
            print(f"  users {who}: {fitted.moved[who]:.2f} of the score moved; {parts}")
    print(f"  {'served':32s} {'lists kept':>10s} {'ranks':>6s}  {'as one vector':>13s}  part by part")
    for words, broken in BROKEN.items():
        now = broken(served)
        kept, ranks = _rankings(old, now)
        print(f"  {words:32s} {kept:10.3f} {ranks:6.3f}  {_verdict(judged(_whole(old), _whole(now))):>13s}  "
              f"{_verdict(judged(old, now))}", flush=True)  # fmt: skip
    print()


def _figures(part: PartDrift) -> str:
    if (d := part.drift) is None:
        return part.state
    least = "" if part.steadiest is None else f", steadiest {part.steadiest:.3f}"
    return (
        f"cosine {d.aligned_cosine:.3f}, kept {d.neighbour_overlap:.3f}, norm {d.norm_change:+.1%}, norms moved "
        f"{d.norms_moved:.3f}{least}; {part.appeared} appeared, {part.vanished} vanished"
    )


def _verdict(found: EmbeddingDrift | str) -> str:
    if isinstance(found, str):
        return found
    where = sorted({sentence.split(":")[0].removeprefix("products, ") for sentence in found.breaks})
    state = "red" if found.breaks else "warning" if found.warns else "green"
    return f"{state} {len(found.breaks)}" + (f" ({', '.join(where)})" if where and where != [WHOLE] else "")


WHOLE = "whole"


def _whole(space: Space) -> Space:
    """The same vectors as if they were one part: the rule before there were parts."""
    start = space.blocks[BIAS][0]
    return Space(space.vectors, {WHOLE: (0, start), BIAS: (start, start + 1)}, {})


def _rankings(old: Space, new: Space) -> tuple[float, float]:
    """Of owners of one make/model: share of their first ten products kept, and mean rank correlation of all scores."""
    scores = []
    ids = {kind: np.intersect1d(old.vectors[kind][0], new.vectors[kind][0]) for kind in (PRODUCTS, "vehicles")}
    for space in (old, new):
        at = {}
        for kind, (known, vectors) in space.vectors.items():
            order = np.argsort(known)
            at[kind] = vectors[order[np.searchsorted(known[order], ids[kind])]]
        scores.append(at["vehicles"] @ at[PRODUCTS].T)
    kept = [len(np.intersect1d(np.argsort(-a)[:10], np.argsort(-b)[:10])) / 10 for a, b in zip(*scores, strict=True)]
    ranks = [spearmanr(a, b).statistic for a, b in zip(*scores, strict=True)]
    return float(np.mean(kept)), float(np.mean(ranks))


def _moment(snapshot: Snapshot, share: float) -> np.datetime64:
    """The moment before which all but the newest `share` of the events happened."""
    ts = np.sort(snapshot.events.ts_E)
    return np.datetime64(int(ts[int(len(ts) * (1 - share))]), "us")


def _space(week: Week, model: GraphRecommender, train: Snapshot) -> Space:
    """As `models.stored_space` reads it from an artifact."""
    facts = vector_facts(week, model, train)
    vectors = {
        PRODUCTS: (train.product_ids, model.product_vectors().astype(np.float64)),
        "vehicles": (train.segment_ids, model.user_vectors(segment_audience(train)).astype(np.float64)),
    }
    return Space(vectors, facts["blocks"], facts["shares"])


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
