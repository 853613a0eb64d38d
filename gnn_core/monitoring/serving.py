"""What the served lists look like: variety, coverage, who falls back on what.

What belongs here: figures of one published table. What does not: rules that block a publish (publishing/rules.py).

Shape letters: U users, P products.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.errors import ContractError, DataError
from gnn_core.monitoring.drift import population_stability, psi_by_chance

Float = NDArray[np.float64]
_BLOCK_USERS = 4096


@dataclass(frozen=True)
class ServingMetrics:
    """One published table, measured."""

    users: int
    slots: int
    products: int
    catalogue_coverage: float
    """Share of the eligible products that stand in at least one list."""
    gini: float
    """Of how often each eligible product is recommended; 0 = all alike, 1 = one product everywhere. Most of it says how
    few of the products are in any list, so that it is told beside `shared_products` and has no limit of its own."""
    shared_products: float | None
    """Share of a user's list that the list of another user taken at random holds too; None with one user."""
    part_types_per_list: float
    intra_list_distance: float | None
    """Mean of 1 − cosine over the pairs of a list; None without vectors."""
    cold_coverage: float | None
    """Share of the cold users of the base who have a list; None when there is none."""
    coverage: float
    """Share of all users of the base who have one."""
    fallback_share: float
    """Share of the slots that hold a universal product, or another policy's choice than the user's arm asks for."""
    users_by_source: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def serving_metrics(
    rows: pd.DataFrame,
    *,
    eligible_products: int,
    cold_users: int,
    base_users: int,
    fallback_N: NDArray[np.bool_],
    vectors: tuple[NDArray[np.object_], Float] | None = None,
) -> ServingMetrics:
    """Measure a recommendations table.

    Args:
        rows: user_id, slot, product_id, part_type, source, engagement_tier; one row a user and slot.
        eligible_products: products that could be recommended.
        cold_users: cold users of the base, served or not.
        base_users: all users of the base.
        fallback_N: which rows are fallbacks.
        vectors: (ids, (P, D) vectors) of products.
    Raises:
        DataError: the table is empty, or more products are recommended than are eligible.
        ContractError: a column is missing.
    """
    absent = [c for c in ("user_id", "product_id", "part_type", "source", "engagement_tier") if c not in rows.columns]
    if absent:
        raise ContractError(f"recommendations: column(s) {absent} missing; it has {list(rows.columns)}")
    if len(rows) == 0:
        raise DataError("recommendations: the table is empty, so there is nothing to measure")
    shown = rows["product_id"].value_counts()
    if len(shown) > eligible_products:
        raise DataError(f"recommendations: {len(shown)} products are recommended and {eligible_products} are eligible")
    per_product = np.concatenate([np.zeros(eligible_products - len(shown)), np.sort(shown.to_numpy(dtype=np.float64))])
    lists = rows.groupby("user_id", sort=False)
    cold_served = rows.loc[rows["engagement_tier"] == "cold", "user_id"].nunique()
    return ServingMetrics(
        users=int(rows["user_id"].nunique()),
        slots=len(rows),
        products=len(shown),
        catalogue_coverage=len(shown) / eligible_products,
        gini=gini(per_product),
        shared_products=shared_products(np.asarray(shown, dtype=np.int64), lists.ngroups, len(rows)),
        part_types_per_list=float(lists["part_type"].nunique().mean()),
        intra_list_distance=None if vectors is None else intra_list_distance(rows, *vectors),
        cold_coverage=cold_served / cold_users if cold_users else None,
        coverage=rows["user_id"].nunique() / base_users,
        fallback_share=float(np.mean(fallback_N)),
        users_by_source={str(k): int(v) for k, v in rows.groupby("source")["user_id"].nunique().items()},
    )


def gini(values: Float) -> float:
    """Gini coefficient of non-negative values; 0 when all are equal.

    Raises:
        DataError: there is no value, all are 0, or one is negative.
    """
    if len(values) == 0 or values.min() < 0 or values.sum() == 0:
        raise DataError("Gini: give at least one value above 0, and none below")
    ordered = np.sort(values)
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def shared_products(users_P: NDArray[np.int64], users: int, slots: int) -> float | None:
    """Mean over ordered pairs of two users of the products that both lists hold, over the mean length of a list.

    A product that n users have is shared by n · (n − 1) of those pairs, whatever the size of the catalogue: 1 when all
    have one list, 0 when no product stands in two. None for a single user.
    """
    if users < 2:
        return None
    pairs = float((users_P.astype(np.float64) * (users_P - 1)).sum()) / (users * (users - 1.0))
    return pairs / (slots / users)


def intra_list_distance(rows: pd.DataFrame, product_ids: NDArray[np.object_], vectors_PD: Float) -> float | None:
    """Mean over users of the mean 1 − cosine over the pairs of their list; None when no list has two known products.

    With unit vectors v of a list of n, Σ_{i≠j} v_i · v_j = |Σ v|² − n, so that no pair is looked at. Two million slots
    of 460 dimensions are 7 GB: users are summed a block at a time.
    """
    place = pd.Index(product_ids).get_indexer(pd.Index(rows["product_id"]))
    known = place >= 0
    norm = np.linalg.norm(vectors_PD, axis=1, keepdims=True)
    unit_PD = np.divide(vectors_PD, norm, out=np.zeros_like(vectors_PD, dtype=np.float64), where=norm > 0)
    user, _ = pd.factorize(rows["user_id"][known])
    n_U = np.bincount(user)
    several = n_U > 1
    if not several.any():
        return None
    listed_UP = sparse.csr_matrix((np.ones(len(user)), (user, place[known])), shape=(len(n_U), len(unit_PD)))
    square_U = np.concatenate(
        [
            np.square(listed_UP[start : start + _BLOCK_USERS] @ unit_PD).sum(axis=1)
            for start in range(0, len(n_U), _BLOCK_USERS)
        ]
    )
    similarity = (square_U - n_U)[several] / (n_U * (n_U - 1))[several]
    return float(1 - similarity.mean())


def score_stability(
    earlier: pd.DataFrame, current: pd.DataFrame, *, bins: int, confidence: float
) -> dict[str, dict[str, float]]:
    """PSI of the first slot's final score by source, for sources that both weeks have.

    Scores of two policies have two scales, so that they are never compared. Users with the same vehicles and no history
    share a score: chance counts distinct scores.

    Args:
        earlier, current: source, final_score; one row a user.
    Returns:
        source → psi, by_chance.
    """
    found = {}
    for source in sorted(set(earlier["source"]) & set(current["source"])):
        old, new = (side.loc[side["source"] == source, "final_score"].to_numpy(float) for side in (earlier, current))
        found[source] = {
            "psi": population_stability(old, new, bins),
            "by_chance": psi_by_chance(len(np.unique(old)), len(np.unique(new)), bins, confidence),
        }
    return found
