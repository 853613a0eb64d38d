"""Made-up report input: a store with every model, every group and a little of everything that can be missing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from gnn_core.evaluation.bootstrap import Lift
from gnn_core.evaluation.canary import CanaryResult
from gnn_core.evaluation.comparison import compare, diversity, lift_against
from gnn_core.evaluation.evaluate import STAGES, Evaluation, Lists
from gnn_core.evaluation.gate import judge_gate1
from gnn_core.evaluation.panel import CutFacts
from gnn_core.evaluation.report_data import Dropped, ReportData, TrainingStep
from gnn_core.evaluation.selection import Selection, SmootherPoint
from tests.core.evaluation import world

MODELS = {
    "sql_v5.17": 0.155,
    "sql_v5.18": 0.165,
    "graph": 0.19,
    "hybrid": 0.2,
    "smoother": 0.187,
    "popularity": 0.172,
    "item_knn": 0.12,
    "implicit_als": 0.10,
}
"""Chance of each model to have a positive among its first ten."""


def evaluation(n_users: int = 1500, seed: int = 4, chances: dict[str, float] = MODELS) -> Evaluation:
    """Users with one to three positives, whose places depend on a taste shared by all models."""
    rng = np.random.default_rng(seed)
    tier = np.where(rng.random(n_users) < 0.8, "cold", np.where(rng.random(n_users) < 0.6, "warm", "hot"))
    n_positives = rng.integers(1, 4, n_users)
    user_N = np.repeat(np.arange(n_users), n_positives)
    organic_N = rng.random(len(user_N)) < 0.7
    n_organic = np.bincount(user_N[organic_N], minlength=n_users)
    users = pd.DataFrame(
        {
            "cut": "test_2026-05-02",
            "user": np.arange(n_users),
            "user_id": [f"u{i}" for i in range(n_users)],
            "tier": tier.astype(object),
            "n_positives": n_positives,
            "n_organic": n_organic,
            "n_email": n_positives - n_organic,
            "n_unreachable": rng.integers(0, 2, n_users),
        }
    )
    easy_N = rng.random(len(user_N))
    nth_N = np.arange(len(user_N)) - np.repeat(np.cumsum(n_positives) - n_positives, n_positives)
    ranks = {}
    for model, chance in chances.items():
        mixed_N = 0.7 * easy_N + 0.3 * rng.random(len(user_N))
        near_N = mixed_N < np.quantile(mixed_N, chance)
        # Three lanes keep the places of one user's positives apart.
        place_N = np.where(near_N, rng.integers(0, 3, len(user_N)), rng.integers(4, 60, len(user_N))) * 3 + 1 + nth_N
        ranks[model, "before"] = place_N
        ranks[model, "after"] = np.where((place_N <= 20) & (rng.random(len(user_N)) < 0.95), place_N, 0)
    lists = {
        model: Lists(rng.integers(0, 400 if model != "popularity" else 9, (600, 4)), np.full(600, n_users // 600))
        for model in chances
    }
    facts = CutFacts(
        "test_2026-05-02", "test", "2026-05-02T00:00:00", "2026-05-02T00:00:00", "2026-06-01T00:00:00",
        n_users + 240, n_users, 240, len(user_N) + 900, 900, True,
    )  # fmt: skip
    assert set(STAGES) == {"before", "after"}
    return Evaluation(tuple(chances), users, user_N, organic_N, ranks, lists, (facts,), 2200)


def selection(**changes: Any) -> Selection:
    """What validation might have chosen."""
    alphas = [i / 10 for i in range(11)]
    curve = tuple((a, 0.188 + 0.02 * a - 0.042 * a * a) for a in alphas)
    best = max(curve, key=lambda p: p[1])
    smoother = SmootherPoint(10.0, 30.0, 0.186)
    chosen = Selection(
        baseline="sql_v5.18",
        alpha=best[0],
        alpha_curve=curve,
        smoother=smoother,
        smoother_grid=(smoother, SmootherPoint(3.0, 30.0, 0.18)),
        candidate="hybrid",
        reason="The hybrid ranks at least as well as the smoother on validation (Recall@10 on validation: smoother "
        "0.1860, hybrid 0.1903 at α = 0.2). The graph alone stands at +1.1% against the smoother, between −1.9% and "
        "+4.0%.",
        recalls={"sql_v5.17": 0.151, "sql_v5.18": 0.163, "graph": 0.188, "hybrid": best[1], "smoother": 0.186},
        graph_against_smoother=Lift(0.011, -0.019, 0.04, 0.188, 0.186, 1400, 1400, 420, 0.4, 0.95, 2000, 0),
        best_steps=(85,),
        cuts=("validation_2026-04-02",),
        n_users=1400,
        n_rows=1400,
    )
    return dataclasses.replace(chosen, **changes)


def report_data(*, judged: Evaluation | None = None, invalid: tuple[str, ...] = (), **changes: Any) -> ReportData:
    """A whole report. `judged` replaces the evaluation, other keywords replace fields."""
    settings = world.settings(evaluation={"bootstrap_draws": 200})
    found = evaluation() if judged is None else judged
    chosen = changes.get("selection", selection())
    comparison = compare(found, "sql_v5.18", settings.evaluation, judged=("graph", chosen.candidate))
    names = {"graph": "the graph model", "hybrid": "the hybrid", "smoother": "the smoother"}
    verdicts = {
        model: judge_gate1(
            comparison.lift(model), settings.gate1, model=names[model], baseline="SQL v5.18", invalid=invalid
        )
        for model in dict.fromkeys([chosen.candidate, "graph"])
    }
    rng = np.random.default_rng(1)
    training = tuple(
        TrainingStep(step, float(3 + 4 * np.exp(-step / 30) + rng.normal(0, 0.03)), recall)
        for step in range(0, 140, 5)
        if (recall := float(0.188 - 0.03 * np.exp(-step / 25) - 2e-6 * (step - 85) ** 2)) is not None
    )
    data = ReportData(
        store="Demo parts store",
        as_of="2026-06-01",
        pipeline_version="v6.0",
        verdicts=verdicts,
        selection=chosen,
        comparison=comparison,
        against_smoother={m: lift_against(found, m, "smoother", settings.evaluation) for m in ("hybrid", "graph")},
        diversity=tuple(diversity(found)),
        facts=found.facts,
        training=training,
        best_step=85,
        canary=CanaryResult(True, "test_2026-05-02", {"view": 4000, "cart": 4000, "order": 4000}, (), {"graph": "ab"}),
        users_by_tier={"cold": 465_500, "warm": 7_125, "hot": 2_375},
        products=25_000,
        eligible_products=14_210,
        served_share=1.0,
        drops=(
            Dropped("vehicles", "year is no year, such as NONE or 0", 1_204),
            Dropped("events", "product not in the catalogue", 310),
            Dropped("events", "order reported twice", 5_002),
        ),
        stand_ins=("every price is 100 USD", "image addresses are placeholders"),
        provenance={
            "Configuration": "sha256 3f1c9a5c60f0c1f5b2f7a7f9d0e4f6c1b2a3948576",
            "Code": "git 8875033",
            "Inputs": "raw_events sha256 aa01…, raw_users sha256 be22…",
            "Judged on models fitted before": "2026-05-02",
            "Served models fitted before": "2026-06-01",
        },
    )
    return dataclasses.replace(data, **{k: v for k, v in changes.items() if k != "selection"})
