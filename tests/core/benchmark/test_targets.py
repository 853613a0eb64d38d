"""Verdicts on targets: every answer that a row can give, and that no row is silently good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gnn_core.benchmark.cells import Made
from gnn_core.benchmark.figures import Figures, build_figures
from gnn_core.benchmark.spec import Spec
from gnn_core.benchmark.targets import GOAL, INCONCLUSIVE, MISSED, MUST, NOT_RUN, Row, judged_targets
from tests.core.benchmark.test_figures import SETTINGS, answer, some

NONE = Figures({}, None, {})
COLD = [Spec(store, "cold", share, 0) for store in ("sports", "beauty") for share in (50, 90, 98)]


def row_of(figures: Figures, data: str, measure: str = "", **options: object) -> Row:
    """The one row of a data set and measure."""
    (found,) = [r for r in judged_targets(figures, **options) if r.data == data and r.measure.startswith(measure)]
    return found


def against_sql(spec: Spec, graph: int, sql: int, n: int = 400) -> Figures:
    """The graph and SQL with so many hits each."""
    hits = {"graph": graph, "sql_v5.17": sql, "sql_v5.18": sql}
    return build_figures(Made({(spec, m): answer(some(n, k)) for m, k in hits.items()}), SETTINGS)


def test_nothing_run_is_nothing_reached() -> None:
    rows = judged_targets(NONE)
    assert {r.verdict for r in rows} == {NOT_RUN}
    assert len(rows) == 22


@pytest.mark.parametrize(
    ("graph", "sql", "want"),
    [
        pytest.param(121, 100, GOAL, id="21 % is the goal of beauty at 90"),
        pytest.param(120, 100, MUST, id="20 % is above the must of 14 %"),
        pytest.param(113, 100, MISSED, id="13 % is below it"),
        pytest.param(40, 29, INCONCLUSIVE, id="29 baseline hits say nothing"),
        pytest.param(40, 0, INCONCLUSIVE, id="nor do none"),
    ],
)
def test_lift_over_sql(graph: int, sql: int, want: str) -> None:
    row = row_of(against_sql(Spec("beauty", "cold", 90, 0), graph, sql), "beauty_cold90")
    assert row.verdict == want
    assert "(1 of 3 seeds)" in row.reached


def test_a_model_that_lacks_a_seed_says_so() -> None:
    cold, last = Spec("beauty", "cold", 90, 0), Spec("beauty_last_item", "last_item", 0, 0)
    models = {cold: ("sql_v5.18", "graph"), last: ("popularity", "graph_dot")}
    results = {
        (replace(spec, seed=seed), model): answer(some(50, 30))
        for spec, (other, mine) in models.items()
        for seed, model in ((0, other), (0, mine), (1, other))
    }
    figures = build_figures(Made(results), SETTINGS)
    for row in (row_of(figures, "beauty_cold90"), row_of(figures, "beauty_last_item", "HR@10, one dot product")):
        assert (row.reached, row.verdict) == ("lacks a seed that others have", NOT_RUN)
    assert row_of(figures, "sports_cold90").reached == ""


def test_retailrocket_needs_an_interval_above_zero() -> None:
    spec = Spec("retailrocket", "warm", 0, 0)
    nobody = dict.fromkeys(some(400, 0), False)
    hits = {"graph": nobody | some(45, 45), "sql_v5.17": nobody | {f"U{i}": True for i in range(370, 400)}}
    figures = build_figures(Made({(spec, m): answer(h) for m, h in hits.items()}), SETTINGS)
    row = row_of(figures, "retailrocket")
    assert row.estimate == pytest.approx(45 / 30 - 1)
    assert row.low < 0
    assert row.verdict == MISSED
    assert row_of(against_sql(spec, 150, 60), "retailrocket").verdict == GOAL


@pytest.mark.parametrize(("graph", "want"), [(104, GOAL), (97, MUST), (60, MISSED)])
def test_rebuy_must_only_not_be_shown_worse(graph: int, want: str) -> None:
    figures = against_sql(Spec("online_retail_rebuy", "warm", 0, 0), graph, 100)
    assert row_of(figures, "online_retail_rebuy").verdict == want


def simple(graph: dict[str, int]) -> Figures:
    """The graph's hits by cell, against simple models of which the smoother, with 200 of 400, leads on validation."""
    made = {}
    for spec in COLD:
        made[spec, "smoother"] = answer(some(400, 200))
        for weaker in ("ridge", "conditional_logit"):
            made[spec, weaker] = answer(some(400, 250), recall=0.0)
        made[spec, "graph"] = answer(some(400, graph.get(spec.cell, graph["other"])))
    return build_figures(Made(made), SETTINGS)


@pytest.mark.parametrize(
    ("graph", "want"),
    [
        pytest.param({"other": 220}, GOAL, id="10 % better everywhere"),
        pytest.param({"other": 201}, MUST, id="hardly better anywhere, worse nowhere"),
        pytest.param({"other": 240, "beauty_cold98": 150}, MISSED, id="better on the whole, much worse in one cell"),
        pytest.param({"other": 180}, MISSED, id="worse everywhere"),
    ],
)
def test_against_the_best_simple_model(graph: dict[str, int], want: str) -> None:
    row = row_of(simple(graph), "sports and beauty, cold")
    assert row.verdict == want
    assert ("worse in beauty_cold98" in row.reached) == ("beauty_cold98" in graph)


def test_against_the_best_simple_model_needs_all_six_cells() -> None:
    figures = simple({"other": 220})
    del figures.cells["sports_cold98"]
    row = row_of(figures, "sports and beauty, cold")
    assert (row.verdict, row.reached) == (NOT_RUN, "lacks sports_cold98")


@pytest.mark.parametrize(("hits", "want"), [(90, GOAL), (80, MUST), (79, MISSED)])
def test_last_item_is_a_mean(hits: int, want: str) -> None:
    spec = Spec("beauty_last_item", "last_item", 0, 0)
    figures = build_figures(Made({(spec, "graph_dot"): answer(some(1000, hits))}), SETTINGS)
    assert row_of(figures, "beauty_last_item", "HR@10, one dot").verdict == want
    assert row_of(figures, "beauty_last_item", "HR@10, with").verdict == NOT_RUN


@pytest.mark.parametrize(
    ("found", "want"),
    [
        pytest.param({"n": 200, "passes": 3, "high": 0.043}, MUST, id="few passes"),
        pytest.param({"n": 200, "passes": 6, "high": 0.064}, MISSED, id="too many"),
        pytest.param({"n": 60, "passes": 0, "high": 0.04}, INCONCLUSIVE, id="too few stores"),
    ],
)
def test_planted_null(found: dict, want: str) -> None:
    assert row_of(NONE, "simulator, planted null", planted_null=found).verdict == want


@pytest.mark.parametrize(("knn", "want"), [(104, MUST), (160, MISSED)])
def test_shuffled_stores_name_the_model_that_beats_popularity(knn: int, want: str) -> None:
    spec = replace(COLD[0], shuffled=True)
    made = Made({(spec, "popularity"): answer(some(400, 100)), (spec, "item_knn"): answer(some(400, knn))})
    # The same users hit or miss, so a lift of 4 % needs users who differ to be uncertain.
    if want == MUST:
        moved = some(400, 100)
        moved |= {f"U{i:03d}": False for i in range(60)} | {f"U{i:03d}": True for i in range(200, 264)}
        made.results[spec, "item_knn"] = answer(moved)
    row = row_of(build_figures(made, SETTINGS), "shuffled stores")
    assert row.verdict == want
    assert ("item_knn in sports_cold50_shuffled" in row.reached) == (want == MISSED)


def test_seeds_that_disagree_widen_what_is_said_of_other_splits() -> None:
    """Lifts of 10, 20 and 30 %: mean 20 %, t interval ± 4.303 · 10 % / √3."""
    cell = Spec("beauty", "cold", 90, 0)
    results = {}
    for seed, graph in enumerate((110, 120, 130)):
        for model, hits in {"graph": graph, "sql_v5.17": 100, "sql_v5.18": 100}.items():
            results[replace(cell, seed=seed), model] = answer(some(400, hits))
    reached = row_of(build_figures(Made(results), SETTINGS), "beauty_cold90").reached
    assert reached.endswith("; seeds +10.0% +20.0% +30.0%, their mean +20.0% ± 24.8%")
