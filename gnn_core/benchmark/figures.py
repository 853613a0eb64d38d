"""From places to figures: means over seeds, lifts with intervals, pooled cells, Holm's correction.

What belongs here: every number of the benchmark's report. What does not: resampling (evaluation/bootstrap.py), what
must be reached (targets.py), how it looks (tables.py).

A user's value is their mean over the seeds in which they were judged, then users are averaged: a seed with more judged
users does not weigh more. A user is resampled with everything that is theirs: all cuts, all cold shares of a store.

Shape letters: N rows (user × cut) of a cell, U distinct users, C columns (model × metric), D draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gnn_core.benchmark.cells import Made
from gnn_core.benchmark.results import CellResult
from gnn_core.benchmark.spec import COLD, LAST, SPLIT, WARM, Spec
from gnn_core.benchmark.variants import GRAPH, SIMPLE, SQL, SQL_MODELS
from gnn_core.config import EvaluationSettings
from gnn_core.errors import DataError
from gnn_core.evaluation import metrics
from gnn_core.evaluation.bootstrap import Lift, holm, lift_of, resampled_sums, sum_by_user

RECALLS, HIT_RATES, NDCGS = (1, 4, 5, 10, 20), (4, 10), (10, 20)
METRICS = (
    *(f"recall_{k}" for k in RECALLS),
    *(f"hit_rate_{k}" for k in HIT_RATES),
    "mrr",
    *(f"ndcg_{k}" for k in NDCGS),
)
BEST_SIMPLE, BEST_PEER = "best_simple", "best_peer"
"""Of SIMPLE, and where users have a history of the peers that read it, the one with the best validation figure; chosen
anew for each seed, as SQL's version is."""
HISTORY_PEERS = ("item_knn", "ease", "gf_cf", "implicit_als", "implicit_bpr", "light_gcn")
"""What somebody would take from a library for users with a history."""
WARM_PEERS = ("own_history", *HISTORY_PEERS)
"""And what they would try first, where products that a user has touched are among the candidates."""
STAND_INS = (SQL, BEST_SIMPLE, BEST_PEER)
"""Names under which the chosen model of each seed is compared; no models of their own."""
SQL_INTENT = "sql_v5.17"
"""SQL with the user's own events: the older version, and the one to beat where users have a history."""
REFERENCES = (SQL, SQL_INTENT, "smoother", BEST_SIMPLE, BEST_PEER, "popularity")
"""What lifts are relative to, where a cell has it."""
ALL = "all"
"""Group of all users; the others are engagement tiers."""
POOLED = "pooled"
CLAIM_DRAWS = 20_000
"""Bootstrap draws behind published tables: a p-value is never below 2 / (draws + 1), and Holm multiplies it by some 300
comparisons."""


def primary(kind: str) -> str:
    """The metric that a protocol's claims are about."""
    return {LAST: "hit_rate_10", SPLIT: "recall_20"}.get(kind, "recall_10")


@dataclass(frozen=True)
class CellFigures:
    """One store and share (or several pooled): every model, seeds averaged."""

    cell: str
    kind: str
    seeds: tuple[int, ...]
    models: tuple[str, ...]
    """Real ones, then those of STAND_INS that the cell has."""
    n_users: dict[str, int]
    """By group: distinct users."""
    means: dict[tuple[str, str, str], float]
    """By (group, model, metric)."""
    lifts: dict[tuple[str, str, str, str], Lift]
    """By (group, model, reference, metric)."""
    intervals: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """By (model, metric), of all users: percentile interval of the mean, users resampled."""
    of_all: dict[str, float] = field(default_factory=dict)
    """By model: Recall@10 with the unreachable positives and users in the denominator too, mean over seeds."""
    seed_means: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    """By (model, metric): the mean of each seed, in the order of `seeds`; empty where cells are pooled."""
    stands_for: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By stand-in: which model it was in each seed."""
    lacking: tuple[str, ...] = ()
    """Models without a result for some seed, so not compared: others were judged on more users."""

    @property
    def metric(self) -> str:
        """The primary metric."""
        return primary(self.kind)

    def by_seed(self, model: str) -> tuple[float, ...]:
        """The primary metric's mean of each seed."""
        return self.seed_means.get((model, self.metric), ())

    def seed_lifts(self, model: str, reference: str) -> tuple[float, ...]:
        """Lift of each seed by itself; empty when a seed's reference is 0."""
        pairs = list(zip(self.by_seed(model), self.by_seed(reference), strict=True))
        return tuple(m / r - 1 for m, r in pairs) if all(r > 0 for _, r in pairs) else ()


@dataclass(frozen=True)
class Figures:
    """All cells of a run, the pooled cold ones, and the correction for the number of comparisons."""

    cells: dict[str, CellFigures]
    pooled: CellFigures | None
    """Every cold cell that was not shuffled, each user-row once, a store's users resampled with all their shares."""
    p_holm: dict[tuple[str, str, str], float]
    """By (cell, model, reference): adjusted p-value of each secondary comparison: over SQL (where there is none: over
    popularity), over the best simple model and over the best peer. Primary, and not adjusted, is the graph over SQL."""
    shuffled: dict[str, CellFigures] = field(default_factory=dict)
    """Cells with users' events exchanged, by cell."""


def build_figures(made: Made, settings: EvaluationSettings) -> Figures:
    """Every figure of the results.

    Raises:
        DataError: models of one cell were judged on different users.
    """
    tables = _tables(made)
    cells = {name: _cell(table, settings) for name, table in tables.items() if not table.shuffled}
    shuffled = {name: _cell(table, settings) for name, table in tables.items() if table.shuffled}
    cold = [table for table in tables.values() if table.kind == COLD and not table.shuffled]
    pooled = _pooled(cold, settings) if len(cold) > 1 else None
    family = {
        (name, model, reference): figures.lifts[ALL, model, reference, figures.metric].p_value
        for name, figures in cells.items()
        for (group, model, reference, metric) in figures.lifts
        if group == ALL and metric == figures.metric and model not in STAND_INS
        if reference in _claimed(figures) and not (model == GRAPH and reference == SQL)
    }
    p_holm = dict(zip(family, holm(list(family.values())), strict=True))
    return Figures(cells, pooled, p_holm, shuffled)


def _claimed(cell: CellFigures) -> tuple[str, ...]:
    """References of the comparisons that are claims; the others are described. A wider family would only cost power."""
    return (SQL, BEST_SIMPLE, BEST_PEER) if SQL in cell.models else ("popularity", BEST_PEER)


def metric_vectors(result: CellResult) -> NDArray[np.float64]:
    """(N, M) every metric of METRICS for the judged user-windows of one result."""
    n_U, rank_N, user_N = result.n_positives_U, result.rank_N, result.user_N
    hits = metrics.hits_from_ranks(user_N, rank_N, len(n_U), max(*RECALLS, *HIT_RATES, *NDCGS))
    columns = [metrics.recall_at_k(hits[:, :k], n_U) for k in RECALLS]
    columns += [metrics.hit_rate_at_k(hits[:, :k]) for k in HIT_RATES]
    columns.append(metrics.reciprocal_rank(metrics.best_rank(user_N, rank_N, len(n_U))))
    columns += [metrics.ndcg_at_k(hits[:, :k], n_U) for k in NDCGS]
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class _Table:
    """One cell: seeds averaged per user-window."""

    cell: str
    kind: str
    store: str
    shuffled: bool
    seeds: tuple[int, ...]
    models: tuple[str, ...]
    user_N: NDArray[np.str_]
    tier_N: NDArray[np.str_]
    values: NDArray[np.float64]
    """(N, models, METRICS)"""
    of_all: dict[str, float]
    seed_means: dict[tuple[str, str], tuple[float, ...]]
    stands_for: dict[str, tuple[str, ...]]
    lacking: tuple[str, ...]


def _tables(made: Made) -> dict[str, _Table]:
    by_cell: dict[str, dict[Spec, dict[str, CellResult]]] = {}
    for (spec, model), result in made.results.items():
        by_cell.setdefault(spec.cell, {}).setdefault(spec, {})[model] = result
    return {cell: _table(cell, seeds) for cell, seeds in by_cell.items()}


def _table(cell: str, by_spec: Mapping[Spec, Mapping[str, CellResult]]) -> _Table:
    specs = sorted(by_spec)
    # A model that lacks a seed would be compared on other users than the rest.
    known = tuple(dict.fromkeys(m for s in specs for m in by_spec[s]))
    models = tuple(m for m in known if all(m in by_spec[s] for s in specs))
    if not models:
        raise DataError(f"{cell}: no model has a result for each of the seeds {', '.join(str(s.seed) for s in specs)}")
    parts = [{m: by_spec[s][m] for m in models} for s in specs]
    # Without a history to read, they give the smoother's answer, which is there under its own name.
    peers = {COLD: (), WARM: WARM_PEERS}.get(specs[0].kind, HISTORY_PEERS)
    chosen = {SQL: SQL_MODELS, BEST_SIMPLE: SIMPLE, BEST_PEER: peers}
    stands_for = {
        name: tuple(_best(part, options) for part in parts)
        for name, options in chosen.items()
        # The best of those that happen to be there would be a weaker opponent than it is called.
        if options and all(m in models for m in options)
    }
    names = (*models, *stands_for)
    keys, tiers, values, of_all = [], [], [], []
    for nth, part in enumerate(parts):
        first = part[models[0]]
        for model, result in part.items():
            same = np.array_equal(result.user_U, first.user_U) and np.array_equal(result.cut_U, first.cut_U)
            if not (same and np.array_equal(result.n_positives_U, first.n_positives_U)):
                raise DataError(
                    f"{cell}, seed {specs[nth].seed}: {model} and {models[0]} were judged on different users"
                )
        real = {m: part[m] for m in models} | {name: part[which[nth]] for name, which in stands_for.items()}
        keys.append(np.stack([first.user_U.astype(object), first.cut_U.astype(object)], axis=1))
        tiers.append(first.tier_U)
        values.append(np.stack([metric_vectors(real[name]) for name in names], axis=1))
        of_all.append([_of_all(real[name]) for name in names])
    place_N, user_N, tier_N = _rows(np.concatenate(keys), np.concatenate(tiers))
    stacked = np.concatenate(values)
    count = np.bincount(place_N, minlength=len(user_N))
    mean = np.zeros((len(user_N), *stacked.shape[1:]))
    np.add.at(mean, place_N, stacked)
    mean /= count[:, None, None]
    return _Table(
        cell=cell,
        kind=specs[0].kind,
        store=specs[0].store,
        shuffled=specs[0].shuffled,
        seeds=tuple(s.seed for s in specs),
        models=names,
        user_N=user_N,
        tier_N=tier_N,
        values=mean,
        of_all={name: float(np.mean([row[i] for row in of_all])) for i, name in enumerate(names)},
        seed_means={
            (name, metric): tuple(float(v[:, i, j].mean()) for v in values)
            for i, name in enumerate(names)
            for j, metric in enumerate(METRICS)
        },
        stands_for=stands_for,
        lacking=tuple(m for m in known if m not in models),
    )


def _best(part: Mapping[str, CellResult], options: Sequence[str]) -> str:
    """The option with the best validation figure; at a tie the later one, as SQL's newer version."""
    there = [m for m in options if m in part]
    return max(there, key=lambda m: (part[m].facts["validation_recall"], there.index(m)))


def _of_all(result: CellResult) -> float:
    """Mean Recall@10 when what no list could reach counts too: judged users' positives, and users without any other."""
    recall_U = metric_vectors(result)[:, METRICS.index("recall_10")]
    share_U = recall_U * result.n_positives_U / (result.n_positives_U + result.n_unreachable_U)
    active = sum(window["users_active"] for window in result.facts["windows"])
    return float(share_U.sum() / active) if active else 0.0


def _rows(keys: NDArray[np.object_], tiers: NDArray) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.str_]]:
    """Row of each (user, cut) of each seed; user and tier of each row."""
    text = keys[:, 0] + "\x1f" + keys[:, 1]
    _, first, place = np.unique(text.astype(str), return_index=True, return_inverse=True)
    return place.astype(np.int64), keys[first, 0].astype(str), tiers[first].astype(str)


def _cell(table: _Table, settings: EvaluationSettings) -> CellFigures:
    tiers = np.unique(table.tier_N)
    groups = {ALL: np.ones(len(table.user_N), dtype=bool)}
    if len(tiers) > 1:
        groups |= {str(tier): table.tier_N == tier for tier in tiers}
    return _compared(table, groups, settings)


def _pooled(tables: Sequence[_Table], settings: EvaluationSettings) -> CellFigures:
    models = tuple(m for m in tables[0].models if all(m in t.models for t in tables))
    values = np.concatenate([t.values[:, [t.models.index(m) for m in models]] for t in tables])
    user_N = np.concatenate([np.char.add(f"{t.store}:", t.user_N) for t in tables])
    table = _Table(
        cell=POOLED,
        kind=COLD,
        store=POOLED,
        shuffled=False,
        seeds=tuple(sorted({s for t in tables for s in t.seeds})),
        models=models,
        user_N=user_N,
        tier_N=np.full(len(user_N), ALL),
        values=values,
        of_all={},
        seed_means={},
        stands_for={},
        lacking=(),
    )
    return _compared(table, {ALL: np.ones(len(user_N), dtype=bool)}, settings)


def _compared(table: _Table, groups: Mapping[str, NDArray[np.bool_]], settings: EvaluationSettings) -> CellFigures:
    _, code_N = np.unique(table.user_N, return_inverse=True)
    n_M = len(METRICS)
    means, lifts, n_users = {}, {}, {}
    intervals: dict[tuple[str, str], tuple[float, float]] = {}
    references = [r for r in REFERENCES if r in table.models]
    for group, rows in groups.items():
        values_NC = table.values[rows].reshape(int(rows.sum()), -1)
        counted_NC = np.concatenate([values_NC, np.ones((len(values_NC), 1))], axis=1)
        sums_UC = sum_by_user(counted_NC, code_N[rows])
        sums_DC = resampled_sums(sums_UC, draws=settings.bootstrap_draws, seed=settings.seed)
        n_users[group] = len(sums_UC)
        if group == ALL:
            intervals = _intervals(sums_DC, table.models, settings.confidence)
        for i, model in enumerate(table.models):
            for j, metric in enumerate(METRICS):
                column = i * n_M + j
                means[group, model, metric] = float(values_NC[:, column].mean())
                for reference in references:
                    if _same(model, reference, table):
                        continue
                    against = table.models.index(reference) * n_M + j
                    lifts[group, model, reference, metric] = lift_of(
                        sums_DC[:, column],
                        sums_DC[:, against],
                        values_NC[:, column],
                        values_NC[:, against],
                        n_users=len(sums_UC),
                        confidence=settings.confidence,
                    )
    return CellFigures(
        table.cell,
        table.kind,
        table.seeds,
        table.models,
        n_users,
        means,
        lifts,
        intervals,
        table.of_all,
        table.seed_means,
        table.stands_for,
        table.lacking,
    )


def _intervals(
    sums_DC: NDArray[np.float64], models: Sequence[str], confidence: float
) -> dict[tuple[str, str], tuple[float, float]]:
    """By (model, metric): percentile interval of the mean over rows. The last column counts the rows of each draw."""
    tail = 100 * (1 - confidence) / 2
    low_C, high_C = np.percentile(sums_DC[:, :-1] / sums_DC[:, -1:], [tail, 100 - tail], axis=0)
    names = [(model, metric) for model in models for metric in METRICS]
    return {name: (float(low), float(high)) for name, low, high in zip(names, low_C, high_C, strict=True)}


def _same(model: str, reference: str, table: _Table) -> bool:
    """Whether a comparison would be of a model with itself in every seed."""
    mine = set(table.stands_for.get(model, (model,)))
    theirs = set(table.stands_for.get(reference, (reference,)))
    return mine == theirs and len(mine) == 1
