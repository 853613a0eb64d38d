"""Who is judged in a cut, on what: the same users, candidates and positives for every model.

What belongs here: reachability, evaluable users, the counts of those who are not. What does not: scores (evaluate.py).

Shape letters: U evaluable users, N their reachable positives, A audience rows, P products.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.config import Settings
from gnn_core.errors import ShapeError
from gnn_core.evaluation.positives import Clicks, Positives, held_out_positives
from gnn_core.evaluation.ranks import FlatCandidates
from gnn_core.graph.split import Cut
from gnn_core.recommender import Audience
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.candidates import Candidates
from gnn_core.scoring.tiers import engagement_tiers
from gnn_core.snapshot import Int, Snapshot


@dataclass(frozen=True)
class CutFacts:
    """Who stands behind the figures of a cut, and who could not be judged."""

    cut: str
    role: str
    fitted_before: str
    start: str
    end: str
    users_active: int
    """Users with a positive in the window, reachable or not."""
    users_evaluable: int
    """Of these, users with at least one positive among their candidates: the denominator of every metric."""
    users_unreachable: int
    """The others: all they did was outside their candidates, so no ranking could have hit it."""
    positives: int
    positives_unreachable: int
    email_known: bool
    """Whether e-mail clicks were known, so that origins mean something."""

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Block:
    """Consecutive audience rows of a panel, with the positives to be placed in them."""

    start: int
    stop: int
    mask_RP: NDArray[np.bool_]
    flat: FlatCandidates
    pair_N: Int
    """Which of the panel's distinct (row, product) pairs these are."""
    row_N: Int
    """Row within the block."""
    product_N: Int


@dataclass(frozen=True)
class Panel:
    """Evaluable users of one cut. Built once, then every model is judged on it."""

    cut: Cut
    train: Snapshot
    users: pd.DataFrame
    """One row a user: cut, user (index), user_id, tier, n_positives, n_organic, n_email, n_unreachable."""
    audience: Audience
    row_U: Int
    """Audience row of each user; cold users with the same vehicles share one."""
    candidates: Candidates
    user_N: Int
    """Position in `users` of each reachable positive."""
    product_N: Int
    organic_N: NDArray[np.bool_]
    facts: CutFacts

    @cached_property
    def pairs(self) -> tuple[Int, Int]:
        """Distinct (row · P + product) keys of the positives, ascending, and which of them each positive is."""
        keys, place_N = np.unique(
            self.row_U[self.user_N] * len(self.train.product_ids) + self.product_N, return_inverse=True
        )
        return keys, place_N

    def blocks(self, block_rows: int) -> Iterator[Block]:
        """The audience in blocks of rows, with candidates and pairs."""
        keys, _ = self.pairs
        n_products = len(self.train.product_ids)
        for start in range(0, len(self.audience), block_rows):
            stop = min(start + block_rows, len(self.audience))
            mask_RP = self.candidates.mask(start, stop)
            pair_N = np.arange(*np.searchsorted(keys, [start * n_products, stop * n_products]))
            row_N, product_N = np.divmod(keys[pair_N], n_products)
            yield Block(start, stop, mask_RP, FlatCandidates.of(mask_RP), pair_N, row_N - start, product_N)


def build_panel(
    snapshot: Snapshot,
    train: Snapshot,
    cut: Cut,
    settings: Settings,
    eligible_P: NDArray[np.bool_],
    *,
    clicks: Clicks | None = None,
) -> Panel:
    """Evaluable users of `cut`: those with at least one held-out positive among their candidates.

    Args:
        snapshot: the whole store, window included; `train`: the same store as of `cut.fitted_before`.
        settings: sections evaluation, scoring and eligibility.
        eligible_P: products that may be recommended at all.
        clicks: the users' e-mail clicks, or None where the store has no e-mail data.
    Raises:
        DataError, LeakageError, ShapeError: see `held_out_positives`; or eligible_P has another length.
    """
    if eligible_P.shape != train.product_ids.shape:
        raise ShapeError(f"eligible_P has shape {eligible_P.shape}; the snapshot has {len(train.product_ids)} products")
    found = held_out_positives(snapshot, train, cut, settings.evaluation, clicks)
    active_U = np.unique(found.user_N)
    reachable_N = _reachable(train, found, active_U, eligible_P, settings)
    reached = found.take(reachable_N)
    users_U, user_N = np.unique(reached.user_N, return_inverse=True)
    audience, row_U = build_audience(train, users_U)
    facts = CutFacts(
        cut=cut.name,
        role=cut.role,
        fitted_before=str(cut.fitted_before),
        start=str(cut.start),
        end=str(cut.end),
        users_active=len(active_U),
        users_evaluable=len(users_U),
        users_unreachable=len(active_U) - len(users_U),
        positives=len(found),
        positives_unreachable=int((~reachable_N).sum()),
        email_known=clicks is not None,
    )
    return Panel(
        cut=cut,
        train=train,
        users=_user_frame(train, cut, users_U, user_N, reached, found.take(~reachable_N)),
        audience=audience,
        row_U=row_U,
        candidates=_candidates(train, audience, eligible_P, settings),
        user_N=user_N.astype(np.int64),
        product_N=reached.product_N,
        organic_N=reached.organic_N,
        facts=facts,
    )


def _reachable(
    train: Snapshot, found: Positives, active_U: Int, eligible_P: NDArray[np.bool_], settings: Settings
) -> NDArray[np.bool_]:
    audience, row_U = build_audience(train, active_U)
    candidates = _candidates(train, audience, eligible_P, settings)
    row_N = row_U[np.searchsorted(active_U, found.user_N)]
    reachable_N = np.zeros(len(found), dtype=bool)
    for start in range(0, len(audience), settings.scoring.block_rows):
        stop = min(start + settings.scoring.block_rows, len(audience))
        mask_RP = candidates.mask(start, stop)
        here = np.flatnonzero((row_N >= start) & (row_N < stop))
        reachable_N[here] = mask_RP[row_N[here] - start, found.product_N[here]]
    return reachable_N


def _candidates(train: Snapshot, audience: Audience, eligible_P: NDArray[np.bool_], settings: Settings) -> Candidates:
    return Candidates(
        train,
        audience,
        eligible_P,
        settings.scoring,
        min_products_per_vehicle=settings.eligibility.min_products_per_vehicle,
        new_products_only=settings.evaluation.new_products_only,
    )


def _user_frame(
    train: Snapshot, cut: Cut, users_U: Int, user_N: Int, reached: Positives, missed: Positives
) -> pd.DataFrame:
    n_users = len(users_U)
    n_positives = np.bincount(user_N, minlength=n_users)
    n_organic = np.bincount(user_N[reached.organic_N], minlength=n_users)
    place = np.searchsorted(users_U, missed.user_N)
    place[place == n_users] = 0
    of_judged = users_U[place] == missed.user_N if n_users else np.zeros(len(missed), dtype=bool)
    return pd.DataFrame(
        {
            "cut": cut.name,
            "user": users_U,
            "user_id": train.user_ids[users_U],
            "tier": engagement_tiers(train)[users_U],
            "n_positives": n_positives,
            "n_organic": n_organic,
            "n_email": n_positives - n_organic,
            "n_unreachable": np.bincount(place[of_judged], minlength=n_users),
        }
    )
