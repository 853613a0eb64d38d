"""Means over seeds, lifts, pooled cells and Holm, on results small enough to check by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnn_core.benchmark.cells import Made
from gnn_core.benchmark.figures import ALL, BEST_PEER, BEST_SIMPLE, POOLED, WARM_PEERS, build_figures
from gnn_core.benchmark.figures_json import as_json
from gnn_core.benchmark.results import CellResult
from gnn_core.benchmark.spec import Spec
from gnn_core.benchmark.tables import markdown, report_tables
from gnn_core.benchmark.targets import judged_targets
from gnn_core.config import load_settings
from gnn_core.errors import DataError
from gnn_core.evaluation.bootstrap import holm, paired_lift
from tests.core.benchmark.files import CONFIG

SETTINGS = replace(load_settings(CONFIG).evaluation, bootstrap_draws=400)
BEAUTY = Spec("beauty", "cold", 90, 0)


def answer(
    hits: dict[str, bool], *, recall: float = 0.1, cut: str = "test", active: int | None = None, missed: int = 0
) -> CellResult:
    """Each user has one positive, in place 10 where it is a hit, else in place 11."""
    users = sorted(hits)
    return CellResult(
        cut_U=np.full(len(users), cut),
        user_U=np.array(users),
        tier_U=np.full(len(users), "cold"),
        n_positives_U=np.ones(len(users), dtype=np.int64),
        n_unreachable_U=np.full(len(users), missed),
        user_N=np.arange(len(users)),
        rank_N=np.array([10 if hits[u] else 11 for u in users]),
        facts={
            "validation_recall": recall,
            "chosen": {},
            "windows": [{"users_active": active if active is not None else len(users)}],
            "collapse": {"rows": len(users)},
            "seconds": 1.0,
            "cpu_seconds": 1.0,
            "device": "cpu",
            "peak_mb": 10.0,
            "start_mb": 5.0,
        },
    )


def some(n: int, n_hits: int, prefix: str = "U") -> dict[str, bool]:
    """n users, the first n_hits of whom have a hit."""
    return {f"{prefix}{i:03d}": i < n_hits for i in range(n)}


def with_rivals(hits: dict[str, int], *, n: int = 100) -> dict[str, CellResult]:
    """Answers by model, SQL in both of its versions and the smoother ahead of two weaker simple models."""
    weaker = ("ridge", "conditional_logit") if "smoother" in hits else ()
    older = {"sql_v5.17": hits["sql_v5.18"]} if "sql_v5.18" in hits else {}
    made = {m: answer(some(n, k)) for m, k in (older | hits).items()}
    return made | {m: answer(some(n, 1), recall=0.0) for m in weaker}


def test_a_user_is_averaged_over_seeds_before_users_are() -> None:
    """A is judged in both seeds (hit, miss), B in the first (hit), C in the second (miss): (½ + 1 + 0) / 3."""
    made = Made(
        {
            (BEAUTY, "graph"): answer({"A": True, "B": True}),
            (replace(BEAUTY, seed=1), "graph"): answer({"A": False, "C": False}),
        }
    )
    cell = build_figures(made, SETTINGS).cells["beauty_cold90"]
    assert cell.means[ALL, "graph", "recall_10"] == pytest.approx(0.5)
    assert cell.by_seed("graph") == (1.0, 0.0)
    assert cell.n_users == {ALL: 3}
    assert cell.seeds == (0, 1)


def test_each_seed_is_compared_with_what_was_best_on_its_own_validation() -> None:
    other = replace(BEAUTY, seed=1)
    made = Made(
        {
            (BEAUTY, "sql_v5.17"): answer({"A": True}, recall=0.3),
            (BEAUTY, "sql_v5.18"): answer({"A": False}, recall=0.2),
            (other, "sql_v5.17"): answer({"B": False}, recall=0.1),
            (other, "sql_v5.18"): answer({"B": True}, recall=0.1),
        }
    )
    cell = build_figures(made, SETTINGS).cells["beauty_cold90"]
    assert cell.stands_for["sql"] == ("sql_v5.17", "sql_v5.18")
    assert cell.by_seed("sql") == (1.0, 1.0)


def test_a_lift_is_the_paired_bootstrap_of_users() -> None:
    made = Made({(BEAUTY, m): result for m, result in with_rivals({"graph": 60, "smoother": 40}).items()})
    figures = build_figures(made, SETTINGS)
    lift = figures.cells["beauty_cold90"].lifts[ALL, "graph", "smoother", "recall_10"]
    one, other = (np.array(list(some(100, k).values()), dtype=float) for k in (60, 40))
    options = {"draws": 400, "confidence": SETTINGS.confidence, "seed": SETTINGS.seed}
    assert lift == paired_lift(one, other, np.arange(100), **options)
    assert lift.estimate == pytest.approx(0.5)
    assert figures.cells["beauty_cold90"].lifts[ALL, "graph", BEST_SIMPLE, "recall_10"] == lift


def test_peers_of_a_history_are_chosen_on_validation_and_compared_as_one() -> None:
    """The better test figure is ALS's in both seeds; validation took EASE in the second."""
    warm = Spec("log", "warm", 0, 0)
    made = Made(
        {
            (replace(warm, seed=seed), model): answer(some(50, k), recall=recall)
            for seed, ease in ((0, 0.1), (1, 0.3))
            for model, k, recall in (
                *((other, 5, 0.0) for other in WARM_PEERS if other not in ("implicit_als", "ease")),
                ("implicit_als", 25, 0.2),
                ("ease", 20, ease),
                ("graph", 30, 0.0),
                ("sql_v5.17", 9, 0),
                ("sql_v5.18", 9, 0),
            )
        }
    )
    figures = build_figures(made, SETTINGS)
    cell = figures.cells["log"]
    assert cell.stands_for[BEST_PEER] == ("implicit_als", "ease")
    assert cell.lifts[ALL, "graph", BEST_PEER, "recall_10"].estimate == pytest.approx(30 / 22.5 - 1)
    assert ("log", "graph", BEST_PEER) in figures.p_holm
    (table,) = [t for t in report_tables(figures, made, judged_targets(figures)) if t.title == "log"]
    shown = dict(zip(table.columns, next(r for r in table.rows if r[0] == "Graph model"), strict=True))
    assert shown["over best peer"].startswith("+33.3%")
    assert "best peer, chosen on validation: implicit_als, ease" in table.note
    assert [row[0] for row in table.rows][-1] == "SQL v5.18", "a stand-in is no row of its own"


def test_nobody_is_the_best_while_one_of_them_lacks_a_seed() -> None:
    warm = [Spec("log", "warm", 0, seed) for seed in (0, 1)]
    results = {(spec, model): answer(some(50, 20)) for spec in warm for model in ("item_knn", "ease", "graph")}
    del results[warm[1], "ease"]
    cell = build_figures(Made(results), SETTINGS).cells["log"]
    assert (cell.models, cell.lacking) == (("item_knn", "graph"), ("ease",))


def test_the_best_of_a_few_is_not_called_the_best_of_all() -> None:
    warm = Spec("log", "warm", 0, 0)
    made = {(BEAUTY, m): answer(some(50, 20)) for m in ("smoother", "ridge", "sql_v5.18", "graph")}
    made |= {(warm, m): answer(some(50, 20)) for m in ("item_knn", "ease", "graph")}
    cells = build_figures(Made(made), SETTINGS).cells
    assert cells["beauty_cold90"].stands_for == {}
    assert cells["log"].stands_for == {}


def test_a_mean_has_the_interval_of_its_users() -> None:
    """60 of 100 users: 1.96 · √(.6 · .4 / 100) = 0.096 to either side, in steps of a user."""
    cell = build_figures(Made({(BEAUTY, "graph"): answer(some(100, 60))}), SETTINGS).cells["beauty_cold90"]
    low, high = cell.intervals["graph", "recall_10"]
    assert low == pytest.approx(0.504, abs=0.03)
    assert high == pytest.approx(0.696, abs=0.03)
    assert cell.seed_means["graph", "ndcg_10"] == (pytest.approx(cell.means[ALL, "graph", "ndcg_10"]),)


def test_no_peer_of_a_history_is_compared_where_users_have_none() -> None:
    made = Made({(BEAUTY, m): answer(some(50, 20)) for m in ("item_knn", "graph")})
    assert BEST_PEER not in build_figures(made, SETTINGS).cells["beauty_cold90"].models


def test_cuts_of_one_user_are_resampled_together() -> None:
    """Both cuts of a user agree, so twice the rows are no more evidence: the interval is that of one cut."""
    one = {(BEAUTY, m): answer(some(60, k)) for m, k in (("graph", 30), ("smoother", 24))}
    both = {}
    for key, first in one.items():
        cuts = np.concatenate([first.cut_U, np.full(60, "later")])
        both[key] = replace(
            first,
            cut_U=cuts,
            user_U=np.tile(first.user_U, 2),
            tier_U=np.tile(first.tier_U, 2),
            n_positives_U=np.tile(first.n_positives_U, 2),
            n_unreachable_U=np.tile(first.n_unreachable_U, 2),
            user_N=np.arange(120),
            rank_N=np.tile(first.rank_N, 2),
        )
    lifts = [
        build_figures(Made(r), SETTINGS).cells["beauty_cold90"].lifts[ALL, "graph", "smoother", "recall_10"]
        for r in (one, both)
    ]
    assert lifts[1].n_rows == 2 * lifts[0].n_rows
    assert (lifts[1].low, lifts[1].high) == pytest.approx((lifts[0].low, lifts[0].high))


def test_pooled_cells_count_user_rows_and_keep_a_user_of_two_shares_together() -> None:
    shares = {
        (replace(BEAUTY, cold=c), m): answer(some(60, k))
        for c in (90, 98)
        for m, k in (("graph", 30), ("smoother", 24))
    }
    sports = {(Spec("sports", "cold", 90, 0), m): answer(some(20, k)) for m, k in (("graph", 1), ("smoother", 2))}
    figures = build_figures(Made(shares | sports), SETTINGS)
    assert figures.pooled is not None
    lift = figures.pooled.lifts[ALL, "graph", "smoother", "recall_10"]
    assert figures.pooled.cell == POOLED
    assert (lift.n_users, lift.n_rows) == (80, 140)
    assert lift.estimate == pytest.approx((30 + 30 + 1) / (24 + 24 + 2) - 1)


def test_holm_spans_all_secondary_comparisons_of_a_run_and_leaves_the_primary_alone() -> None:
    models = with_rivals({"sql_v5.18": 30, "graph": 40, "smoother": 36, "popularity": 28})
    cells = [BEAUTY, replace(BEAUTY, cold=98)]
    made = Made({(s, m): result for s in cells for m, result in models.items()})
    figures = build_figures(made, SETTINGS)
    p_values = {}
    for name, cell in figures.cells.items():
        for (group, model, reference, metric), lift in cell.lifts.items():
            claimed = metric == "recall_10" and reference in ("sql", "best_simple")
            if group == ALL and claimed and model not in ("sql", "best_simple"):
                p_values[name, model, reference] = lift.p_value
    primary = [p_values.pop((s.cell, "graph", "sql")) for s in cells]
    assert len(primary) == 2
    assert figures.p_holm == dict(zip(p_values, holm(list(p_values.values())), strict=True))
    over_sql, over_the_best = 5, 6  # of all but SQL's newer version and the graph; of all but the smoother
    assert len(figures.p_holm) == 2 * (over_sql + over_the_best)


def test_the_unreachable_count_in_their_own_figure() -> None:
    """Two judged users with one unreachable positive each, five active: (½ + 0) / 5."""
    made = Made({(BEAUTY, "graph"): answer({"A": True, "B": False}, active=5, missed=1)})
    cell = build_figures(made, SETTINGS).cells["beauty_cold90"]
    assert cell.of_all["graph"] == pytest.approx(0.1)
    assert cell.means[ALL, "graph", "recall_10"] == pytest.approx(0.5)


def test_the_report_of_several_seeds_shows_each_and_the_pooled_cells() -> None:
    specs = [replace(BEAUTY, cold=cold, seed=seed) for cold in (90, 98) for seed in (0, 1)]
    made = Made({(s, m): answer(some(50, k + s.seed)) for s in specs for m, k in (("sql_v5.18", 20), ("graph", 30))})
    figures = build_figures(made, SETTINGS)
    tables = {table.title: table for table in report_tables(figures, made, judged_targets(figures))}
    assert [row[0] for row in tables[POOLED].rows] == ["SQL v5.18", "Graph model"]
    assert "Recall@10 by seed: SQL v5.18 0.4000 0.4200; Graph model 0.6000 0.6200." in tables["beauty_cold90"].note


def test_models_judged_on_different_users_are_refused() -> None:
    made = Made({(BEAUTY, "graph"): answer({"A": True}), (BEAUTY, "smoother"): answer({"B": True})})
    with pytest.raises(DataError, match="beauty_cold90, seed 0: smoother and graph were judged on different users"):
        build_figures(made, SETTINGS)


def test_a_model_that_lacks_a_seed_is_not_compared() -> None:
    other = replace(BEAUTY, seed=1)
    made = Made(
        {(s, "smoother"): answer({"A": True}) for s in (BEAUTY, other)} | {(BEAUTY, "graph"): answer({"A": True})}
    )
    figures = build_figures(made, SETTINGS)
    assert figures.cells["beauty_cold90"].models == ("smoother",)
    assert figures.cells["beauty_cold90"].lacking == ("graph",)
    (note,) = [t.note for t in report_tables(figures, made, []) if t.title == "beauty_cold90"]
    assert "Left out, since a seed is missing: Graph model." in note
    del made.results[other, "smoother"]
    made.results[other, "ridge"] = answer({"A": True})
    with pytest.raises(DataError, match="beauty_cold90: no model has a result for each of the seeds 0, 1"):
        build_figures(made, SETTINGS)


def test_the_report_says_everything_in_json_and_markdown() -> None:
    made = Made(
        {(BEAUTY, m): r for m, r in with_rivals({"sql_v5.18": 20, "graph": 30, "smoother": 25}, n=50).items()},
        {(BEAUTY, "hetero_gat"): "DataError: too large"},
    )
    figures = build_figures(made, SETTINGS)
    content = as_json(figures, made)
    graph = content["cells"]["beauty_cold90"]["models"]["graph"]
    assert graph["metrics"][ALL]["recall_10"] == pytest.approx(0.6)
    assert graph["lifts"][ALL]["sql"]["recall_10"]["estimate"] == pytest.approx(0.5)
    assert graph["runs"][0]["seconds"] == 1.0
    assert content["failures"][0]["reason"] == "DataError: too large"
    tables = report_tables(figures, made, judged_targets(figures))
    (narrow,) = [table.narrow() for table in tables if table.title == "beauty_cold90"]
    over = ("over SQL", "over best simple model", "p (Holm)")
    assert narrow.columns == ("model", "Recall@10", "HR@4", "MRR", "NDCG@10", *over)
    (shown,) = [row for row in narrow.rows if row[0] == "Graph model"]
    assert dict(zip(narrow.columns, shown, strict=True))["Recall@10"] == "0.6000"
    text = markdown(tables, "Quality", "Printed here.")
    assert text.startswith("# Quality\n\nPrinted here.\n\n## Targets")
    assert "| Graph model | 0.0000 |" in text
    assert "+50.0% [" in text
    assert "DataError: too large" in text
