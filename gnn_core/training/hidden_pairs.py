"""Which of the users' own pairs are hidden from them where no earlier window can teach.

What belongs here: drawing them. What does not: what is learned from them (model/intent.py), hidden users (examples.py).

A store may know no order of what its users took, or no past that reaches back a window. What they took beside the rest
is then all that there is to learn from. A pair is hidden with all its events, so that a view never betrays the order
that is asked for.

Shape letters: U users, E events, K distinct (user, product) pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnn_core.snapshot import Events


def hidden_events(events: Events, n_products: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(E,) events of the drawn pairs: a share of each user's pairs, rounded, at least one, never all.

    Args:
        events: of any order. share: of a user's pairs, between 0 and 1.
    """
    pair_K, pair_E = np.unique(events.user_E * np.int64(n_products) + events.product_E, return_inverse=True)
    user_K = pair_K // n_products
    order = np.lexsort((rng.random(len(pair_K)), user_K))
    count_U = np.bincount(user_K)
    place_K = np.empty(len(pair_K), dtype=np.int64)
    place_K[order] = np.arange(len(pair_K)) - np.repeat(np.cumsum(count_U) - count_U, count_U)
    wanted_U = np.minimum(np.maximum(1, np.round(share * count_U)), count_U - 1)
    drawn_K: NDArray[np.bool_] = place_K < wanted_U[user_K]
    return drawn_K[pair_E]
