"""Two tables of lists beside each other: what would change for whom if the other one were served.

What belongs here: the comparison of a served and a shadow table. What does not: which of the two is better (gates).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gnn_core.errors import ContractError, DataError
from gnn_core.snapshot import Int

COMPARED_COLUMNS = ("user_id", "slot", "product_id", "price", "part_type", "engagement_tier")


@dataclass(frozen=True)
class ShadowReport:
    """Served against shadow. Shares are of the users whom both serve unless said otherwise."""

    users_both: int
    users_gained: int
    """Only the shadow table serves them."""
    users_lost: int
    overlap: float
    """Mean share of a user's served products that the shadow list holds too (overlap@4)."""
    same_list: float
    same_first: float
    rank_correlation: float | None
    """Mean over users of Kendall's τ on the products that both lists hold; None when no user has two in common."""
    price_served: float
    price_shadow: float
    products_served: int
    products_shadow: int
    part_type_shift: float
    """Half the sum of absolute differences of part-type shares: 0 = same mix, 1 = nothing in common."""
    largest_shifts: tuple[tuple[str, float, float], ...]
    """Part types with the largest change: (name, share served, share shadow)."""
    overlap_by_tier: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def compare_lists(served: pd.DataFrame, shadow: pd.DataFrame) -> ShadowReport:
    """Compare two tables with a row a user and slot.

    Raises:
        ContractError: a column is missing, or a product stands twice in one list.
        DataError: a table is empty, or they have no user in common.
    """
    for name, rows in (("served", served), ("shadow", shadow)):
        absent = [c for c in COMPARED_COLUMNS if c not in rows.columns]
        if absent:
            raise ContractError(f"{name} table: column(s) {absent} missing")
        if rows.duplicated(["user_id", "product_id"]).any():
            raise ContractError(f"{name} table: a product stands twice in one list")
    users_served, users_shadow = set(served["user_id"]), set(shadow["user_id"])
    both = users_served & users_shadow
    if not both:
        raise DataError("shadow: the two tables have no user in common, so there is nothing to compare")
    a, b = (rows[rows["user_id"].isin(both)] for rows in (served, shadow))
    # Two tables of two million rows: only what is asked of a row travels through a join.
    cells = ["user_id", "product_id", "slot"]
    joined = a[cells].merge(b[cells], on=["user_id", "product_id"], suffixes=("", "_shadow"))
    length = a.groupby("user_id").size()
    common = joined.groupby("user_id").size().reindex(length.index, fill_value=0)
    overlap = common / length
    same = (common == length) & (length == b.groupby("user_id").size().reindex(length.index))
    in_place = (
        joined[joined["slot"] == joined["slot_shadow"]].groupby("user_id").size().reindex(length.index, fill_value=0)
    )
    first = a[a["slot"] == 1].set_index("user_id")["product_id"]
    first_shadow = b[b["slot"] == 1].set_index("user_id")["product_id"].reindex(first.index)
    tier = a.drop_duplicates("user_id").set_index("user_id")["engagement_tier"]
    mix = pd.concat(
        [a["part_type"].value_counts(normalize=True), b["part_type"].value_counts(normalize=True)], axis=1
    ).fillna(0.0)
    mix.columns = pd.Index(["served", "shadow"])
    moved = (mix["shadow"] - mix["served"]).abs()
    largest = mix.loc[moved.sort_values(ascending=False, kind="stable").index[:5]]
    return ShadowReport(
        users_both=len(both),
        users_gained=len(users_shadow - users_served),
        users_lost=len(users_served - users_shadow),
        overlap=float(overlap.mean()),
        same_list=float((same & (in_place == length)).mean()),
        same_first=float((first == first_shadow).mean()),
        rank_correlation=_kendall(
            pd.factorize(joined["user_id"])[0], joined["slot"].to_numpy(), joined["slot_shadow"].to_numpy()
        ),
        price_served=float(a["price"].mean()),
        price_shadow=float(b["price"].mean()),
        products_served=int(a["product_id"].nunique()),
        products_shadow=int(b["product_id"].nunique()),
        part_type_shift=float(moved.sum() / 2),
        largest_shifts=tuple((str(k), float(r["served"]), float(r["shadow"])) for k, r in largest.iterrows()),
        overlap_by_tier={str(k): float(v) for k, v in overlap.groupby(tier).mean().items()},
    )


def _kendall(user_N: Int, slot_N: Int, shadow_N: Int) -> float | None:
    """Concordant minus discordant over all pairs of a user's common products, as a mean over users.

    Each product is compared with the one so many places further down the served list, place by place, so that no pair
    of rows is ever stored.
    """
    order = np.lexsort((slot_N, user_N))
    user_N, shadow_N = user_N[order], shadow_N[order]
    n_U = int(user_N.max(initial=-1)) + 1
    longest = int(np.bincount(user_N, minlength=1).max())
    agreed_U, pairs_U = np.zeros(n_U), np.zeros(n_U)
    for step in range(1, longest):
        same = user_N[step:] == user_N[:-step]
        first = user_N[step:][same]
        agreed_U += np.bincount(first, weights=np.sign(shadow_N[step:] - shadow_N[:-step])[same], minlength=n_U)
        pairs_U += np.bincount(first, minlength=n_U)
    some = pairs_U > 0
    return float((agreed_U[some] / pairs_U[some]).mean()) if some.any() else None
