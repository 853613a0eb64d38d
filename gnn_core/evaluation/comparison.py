"""From places to figures: means, lifts over the baseline, intervals; by stage, tier and origin.

What belongs here: which figures stand beside each other, and the correction for their number. What does not: the
resampling (bootstrap.py), the verdict (gate.py), how it looks (report.py).

Shape letters: N rows (user × cut), U distinct users, C (group, stage, model, metric) columns, D draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.config import EvaluationSettings
from gnn_core.errors import DataError
from gnn_core.evaluation import metrics
from gnn_core.evaluation.bootstrap import Lift, holm, lift_of, paired_lift, resampled_sums, sum_by_user
from gnn_core.evaluation.evaluate import GATE_K, STAGES, Evaluation
from gnn_core.evaluation.positives import ORIGINS
from gnn_core.scoring.tiers import TIERS

HIT_RATE_K = 4
"""The e-mail has four slots."""
NDCG_K = 10
PRIMARY = f"recall_{GATE_K}"
"""The metric of gate 1 and of every comparison that is corrected for their number."""


@dataclass(frozen=True)
class Comparison:
    """Every figure of the report, one row a (stage, group, metric, model)."""

    baseline: str
    models: tuple[str, ...]
    table: pd.DataFrame
    """Columns stage, group (`all`, `tier:…`, `origin:…`), metric, model, role, mean, baseline_mean, lift, low, high,
    p_value, p_holm, n_users, n_rows, n_baseline_hits. A figure that does not exist is null."""
    lifts: dict[tuple[str, str, str, str], Lift]
    """The same by (stage, group, metric, model)."""
    recall_of_all: dict[str, float]
    """By model: mean Recall@10 with what no candidate list could reach in the denominator too, products and users."""

    def lift(self, model: str, *, stage: str = "before", group: str = "all", metric: str = PRIMARY) -> Lift:
        """One figure with its interval. Raises DataError naming what is there when it is not."""
        key = (stage, group, metric, model)
        if key not in self.lifts:
            raise DataError(f"no figure for {key}; models {self.models}, groups {sorted({k[1] for k in self.lifts})}")
        return self.lifts[key]


def metric_names(settings: EvaluationSettings) -> tuple[str, ...]:
    """Names of all metrics, Recall@10 always among them."""
    recalls = sorted({*settings.recall_at, GATE_K})
    return (*(f"recall_{k}" for k in recalls), f"hit_rate_{HIT_RATE_K}", "mrr", f"ndcg_{NDCG_K}")


def metric_vectors(
    evaluation: Evaluation, model: str, stage: str, settings: EvaluationSettings, *, origin: str | None = None
) -> dict[str, metrics.Vector]:
    """Every metric of a model as a vector over `evaluation.users`.

    Args:
        origin: judge positives of this origin alone; users without one get 0 everywhere (and are left out of means).
    """
    user_N, rank_N, n_U = evaluation.user_N, evaluation.rank_N[model, stage], evaluation.users["n_positives"].to_numpy()
    if origin is not None:
        keep = evaluation.organic_N if origin == "organic" else ~evaluation.organic_N
        user_N, rank_N, n_U = user_N[keep], rank_N[keep], evaluation.users[f"n_{origin}"].to_numpy()
    has = n_U > 0
    place = np.cumsum(has) - 1
    user_N, n_U, count = place[user_N], n_U[has], int(has.sum())

    def spread(values: metrics.Vector) -> metrics.Vector:
        full = np.zeros(len(has))
        full[has] = values
        return full

    longest = max(*settings.recall_at, GATE_K, HIT_RATE_K, NDCG_K)
    hits = metrics.hits_from_ranks(user_N, rank_N, count, longest)
    found = {f"recall_{k}": metrics.recall_at_k(hits[:, :k], n_U) for k in sorted({*settings.recall_at, GATE_K})}
    found[f"hit_rate_{HIT_RATE_K}"] = metrics.hit_rate_at_k(hits[:, :HIT_RATE_K])
    found["mrr"] = metrics.reciprocal_rank(metrics.best_rank(user_N, rank_N, count))
    found[f"ndcg_{NDCG_K}"] = metrics.ndcg_at_k(hits[:, :NDCG_K], n_U)
    return {name: spread(values) for name, values in found.items()}


def compare(
    evaluation: Evaluation, baseline: str, settings: EvaluationSettings, *, judged: Sequence[str]
) -> Comparison:
    """Every model against the baseline, on every metric, in every group, before and after the rules.

    Args:
        evaluation: of one cut, or pooled.
        baseline: name of the model that lifts are relative to.
        settings: metrics, draws, confidence, seed.
        judged: the models that the gate judges; their overall Recall@10 is primary and not corrected. Their tiers and
            origins, and the other models' overall Recall@10, are secondary: one family, corrected by Holm.
    Raises:
        DataError: the baseline or a judged model was not evaluated.
    """
    missing = [m for m in (baseline, *judged) if m not in evaluation.models]
    if missing:
        raise DataError(f"{', '.join(missing)} not among the evaluated models {evaluation.models}")
    columns, values_NC, rows_C = _columns(evaluation, settings)
    user_N = evaluation.users["user"].to_numpy()
    sums_DC = resampled_sums(sum_by_user(values_NC, user_N), draws=settings.bootstrap_draws, seed=settings.seed)
    where = {key: c for c, key in enumerate(columns)}
    users_C = {group: len(np.unique(user_N[keep])) for group, keep in rows_C.items()}
    lifts = {}
    for key, c in where.items():
        b = where[(*key[:3], baseline)]
        keep = rows_C[key[1]]
        lifts[key] = lift_of(
            sums_DC[:, c],
            sums_DC[:, b],
            values_NC[keep, c],
            values_NC[keep, b],
            n_users=users_C[key[1]],
            confidence=settings.confidence,
        )
    of_all = {model: _recall_of_all(evaluation, model) for model in evaluation.models}
    return Comparison(baseline, evaluation.models, _table(lifts, baseline, judged), lifts, of_all)


def _recall_of_all(evaluation: Evaluation, model: str) -> float:
    active = sum(facts.users_active for facts in evaluation.facts)
    reachable_N, missed_N = evaluation.users["n_positives"].to_numpy(), evaluation.users["n_unreachable"].to_numpy()
    share_N = evaluation.recall(model) * reachable_N / (reachable_N + missed_N)
    return float(share_N.sum() / active) if active else 0.0


def _columns(
    evaluation: Evaluation, settings: EvaluationSettings
) -> tuple[list[tuple[str, str, str, str]], NDArray[np.float64], dict[str, NDArray[np.bool_]]]:
    """Keys of all columns, their values (0 outside the group), and the rows of each group."""
    tier_N = evaluation.users["tier"].to_numpy()
    groups = {"all": np.ones(len(evaluation), dtype=bool)} | {f"tier:{t}": tier_N == t for t in TIERS}
    if all(f.email_known for f in evaluation.facts):
        groups |= {f"origin:{o}": evaluation.users[f"n_{o}"].to_numpy() > 0 for o in ORIGINS}
    groups = {name: rows for name, rows in groups.items() if rows.any() or name == "all"}
    keys: list[tuple[str, str, str, str]] = []
    values: list[metrics.Vector] = []
    for model in evaluation.models:
        for stage in STAGES:
            whole = metric_vectors(evaluation, model, stage, settings)
            for group, rows in groups.items():
                kind, _, name = group.partition(":")
                parts = metric_vectors(evaluation, model, stage, settings, origin=name) if kind == "origin" else whole
                for metric, vector in parts.items():
                    keys.append((stage, group, metric, model))
                    values.append(vector * rows)
    return keys, np.stack(values, axis=1), groups


def _table(lifts: dict[tuple[str, str, str, str], Lift], baseline: str, judged: Sequence[str]) -> pd.DataFrame:
    secondary = [key for key in lifts if _role(key, baseline, judged) == "secondary"]
    adjusted = dict(zip(secondary, holm([lifts[key].p_value for key in secondary]), strict=True))
    rows = []
    for key, lift in lifts.items():
        stage, group, metric, model = key
        rows.append(
            {
                "stage": stage,
                "group": group,
                "metric": metric,
                "model": model,
                "role": _role(key, baseline, judged),
                "mean": lift.model_mean,
                "baseline_mean": lift.baseline_mean,
                "lift": lift.estimate,
                "low": lift.low,
                "high": lift.high,
                "p_value": lift.p_value,
                "p_holm": adjusted.get(key),
                "n_users": lift.n_users,
                "n_rows": lift.n_rows,
                "n_baseline_hits": lift.n_baseline_hits,
            }
        )
    figures = ["mean", "baseline_mean", "lift", "low", "high", "p_value", "p_holm"]
    return pd.DataFrame(rows).astype(dict.fromkeys(figures, np.float64))


def _role(key: tuple[str, str, str, str], baseline: str, judged: Sequence[str]) -> str:
    """`baseline`, `primary`, `secondary` (corrected) or `described` (interval shown, nothing claimed)."""
    stage, group, metric, model = key
    if model == baseline:
        return "baseline"
    if stage != "before" or metric != PRIMARY:
        return "described"
    if group == "all":
        return "primary" if model in judged else "secondary"
    return "secondary" if model in judged else "described"


def user_frame(evaluation: Evaluation, settings: EvaluationSettings) -> pd.DataFrame:
    """One row a (cut, user, model, stage) with every metric: what a notebook starts from, ready for Parquet."""
    known = evaluation.users.drop(columns="user")
    parts = []
    for model in evaluation.models:
        for stage in STAGES:
            vectors = metric_vectors(evaluation, model, stage, settings)
            parts.append(known.assign(model=model, stage=stage, **vectors))
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Diversity:
    """How varied the e-mailed lists of a model are: a collapsed model sends everyone the same."""

    model: str
    users_with_list: int
    users_without_list: int
    """Fewer than `scoring.min_slots` products were left by the rules."""
    distinct_lists: int
    distinct_rows: int
    """Kinds of customers with a list (same vehicles, no history = one kind): the most distinct lists there can be."""
    products: int
    """Different products over all lists."""
    coverage: float
    """… as a share of the products that are somebody's candidate."""
    top_product_share: float
    """Share of the customers whose list holds the most recommended product."""


def diversity(evaluation: Evaluation) -> list[Diversity]:
    """Variety of each model's lists after the rules, over evaluable users."""
    found = []
    for model in evaluation.models:
        lists = evaluation.lists[model]
        sent = (lists.product_AK >= 0).any(axis=1)
        rows, users = lists.product_AK[sent], lists.users_A[sent]
        listed = np.bincount(rows[rows >= 0], weights=np.broadcast_to(users[:, None], rows.shape)[rows >= 0])
        total = int(users.sum())
        found.append(
            Diversity(
                model=model,
                users_with_list=total,
                users_without_list=int(lists.users_A.sum()) - total,
                distinct_lists=len(np.unique(np.sort(rows, axis=1), axis=0)) if len(rows) else 0,
                distinct_rows=len(rows),
                products=int((listed > 0).sum()),
                coverage=float((listed > 0).sum() / evaluation.candidates) if evaluation.candidates else 0.0,
                top_product_share=float(listed.max() / total) if total else 0.0,
            )
        )
    return found


def lift_against(evaluation: Evaluation, model: str, other: str, settings: EvaluationSettings) -> Lift:
    """Recall@10 of one evaluated model relative to another, such as the graph's against the smoother's."""
    return paired_lift(
        evaluation.recall(model),
        evaluation.recall(other),
        evaluation.users["user"].to_numpy(),
        draws=settings.bootstrap_draws,
        confidence=settings.confidence,
        seed=settings.seed,
    )
