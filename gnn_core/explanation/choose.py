"""Which path the reason of each listed product tells: the one with the largest share that exists as edges.

What belongs here: the choice. What does not: words (words.py), counts (evidence.py), shares (shares.py).

Order where no path has a share: owners of the same make/model, then owners of other vehicles that it fits, then the
fitment alone. That is what a list by popularity rests on, and its reason says no more.

Shape letters: A audience rows, K slots, N listed cells, J pairs of a cell and a product that its row knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnn_core.explanation.evidence import GraphEvidence
from gnn_core.explanation.shares import PathShares, Shares
from gnn_core.publishing.schema import REASON_PATHS
from gnn_core.recommender import Audience
from gnn_core.snapshot import Int, Snapshot

OWN, BOUGHT, TAKEN, OWNERS, OTHERS, FITS, UNIVERSAL = range(len(REASON_PATHS))
_TRIED_VIAS = 5
"""Products of a history that are tried as the one in between, by what they add: nearly always the first exists."""


@dataclass(frozen=True)
class Reasons:
    """What each cell of the lists is told; −1 where there is no product, or nothing of the kind."""

    path_AK: Int
    """Position in REASON_PATHS."""
    event_AK: Int
    """Kind of the event that the path begins with (snapshot.VIEW …)."""
    via_AK: Int
    """The product that the path goes through."""


def choose_reasons(
    product_AK: Int,
    vehicle_AK: Int,
    universal_AK: NDArray[np.bool_],
    audience: Audience,
    train: Snapshot,
    evidence: GraphEvidence,
    min_people: int,
    *,
    shares: Shares | None,
    own_events: bool,
) -> Reasons:
    """The path of every listed product.

    Args:
        product_AK: lists, −1 where a slot is empty. vehicle_AK, universal_AK: what each product is shown for.
        audience: rows of the lists; rows with history are single users.
        min_people: other people behind a path that speaks of people.
        shares: of the policy, prepared for this audience; None where it cannot tell its paths apart.
        own_events: whether a policy without shares scores a user's own events with the product.
    """
    row_N, slot_N = np.nonzero(product_AK >= 0)
    product_N, vehicle_N = product_AK[row_N, slot_N], vehicle_AK[row_N, slot_N]
    universal_N = universal_AK[row_N, slot_N]
    user_N, segment_N = audience.user_A[row_N], train.segment_V[vehicle_N]
    known_N = np.full(len(row_N), -1, dtype=np.int64)
    single = user_N >= 0
    known_N[single] = evidence.kind(user_N[single], product_N[single])

    path_N = np.where(universal_N, UNIVERSAL, FITS).astype(np.int64)
    others = ~universal_N & (evidence.other_owners(segment_N, product_N) >= min_people)
    path_N[others] = OTHERS
    # A row without history touched nothing; one with history is one user, who does not count beside themselves.
    has_owners = evidence.owners(segment_N, product_N) - (known_N >= 0) >= min_people
    path_N[has_owners] = OWNERS

    event_N, via_N = np.full(len(row_N), -1, dtype=np.int64), np.full(len(row_N), -1, dtype=np.int64)
    has_history = np.zeros(len(audience), dtype=bool)
    has_history[audience.history.user_E] = True
    cell_H = np.flatnonzero(has_history[row_N] & single)
    if len(cell_H):
        own_H, owners_H, through_H, via_H, bought_H = _personal(
            cell_H, row_N, product_N, user_N, train, evidence, min_people, shares=shares, own_events=own_events
        )
        own_H = np.where(known_N[cell_H] >= 0, own_H, 0.0)
        through_H = np.where(via_H >= 0, through_H, 0.0)
        owners_H = np.where(has_owners[cell_H], owners_H, 0.0)
        best_H = np.argmax(np.stack([own_H, through_H, owners_H, np.full(len(cell_H), 1e-12)]), axis=0)
        own, through = cell_H[best_H == 0], best_H == 1
        path_N[own], event_N[own] = OWN, known_N[own]
        cells = cell_H[through]
        path_N[cells] = np.where(bought_H[through], BOUGHT, TAKEN)
        via_N[cells] = via_H[through]
        event_N[cells] = evidence.kind(user_N[cells], via_N[cells])

    def placed(values_N: Int) -> Int:
        whole = np.full(product_AK.shape, -1, dtype=np.int64)
        whole[row_N, slot_N] = values_N
        return whole

    return Reasons(placed(path_N), placed(event_N), placed(via_N))


def _personal(
    cell_H: Int,
    row_N: Int,
    product_N: Int,
    user_N: Int,
    train: Snapshot,
    evidence: GraphEvidence,
    min_people: int,
    *,
    shares: Shares | None,
    own_events: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], Int, NDArray[np.bool_]]:
    """Shares of own events, owners and history, with the product in between, of the cells of rows with history."""
    nothing = np.zeros(len(cell_H))
    if shares is None:
        own = np.ones(len(cell_H)) if own_events else nothing
        return own, nothing, nothing, np.full(len(cell_H), -1), np.zeros(len(cell_H), dtype=bool)
    found = shares(row_N[cell_H], product_N[cell_H])
    via_H, bought_H = _between(found, product_N[cell_H], user_N[cell_H], train, evidence, min_people)
    return found.own_N, found.owners_N, found.through_N, via_H, bought_H


def _between(
    found: PathShares, product_H: Int, user_H: Int, train: Snapshot, evidence: GraphEvidence, min_people: int
) -> tuple[Int, NDArray[np.bool_]]:
    """(H,) the product in between that adds most and has an edge on, −1 without any; and whether it is a co-purchase.

    Another variant of the product is no reason for it.
    """
    cell, via, share = found.cell_J, found.via_J, found.through_J
    kept = (share > 0) & (train.base_P[via] != train.base_P[product_H[cell]])
    cell, via, share = cell[kept], via[kept], share[kept]
    order = np.lexsort((via, -share, cell))
    cell, via = cell[order], via[order]
    first = np.searchsorted(cell, cell, side="left")
    tried = (np.arange(len(cell)) - first) < _TRIED_VIAS
    cell, via = cell[tried], via[tried]
    bought = evidence.bought_together(via, product_H[cell])
    knows_it = evidence.kind(user_H[cell], product_H[cell]) >= 0
    both = evidence.people_with_both(via, product_H[cell]) - knows_it
    exists = bought | (both >= min_people)
    cell, via, bought = cell[exists], via[exists], bought[exists]
    via_H, bought_H = np.full(len(product_H), -1, dtype=np.int64), np.zeros(len(product_H), dtype=bool)
    firsts = np.unique(cell, return_index=True)[1]
    via_H[cell[firsts]], bought_H[cell[firsts]] = via[firsts], bought[firsts]
    return via_H, bought_H
