"""How much each path adds to the score of a listed product, as far as a model can tell.

What belongs here: the value type, and whom to ask. What does not: the arithmetic of a model (model/explain.py), which
paths exist (evidence.py).

Shares have a natural zero: what a product would get on that path without any evidence. Popularity has none, so it is
no share: it is what remains when no path speaks for a product.

Shape letters: N listed cells (row, product), J pairs of a cell and another product that its row knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnn_core.recommender import Recommender
from gnn_core.scoring.hybrid import Hybrid
from gnn_core.snapshot import Int

Float = NDArray[np.float64]


@dataclass(frozen=True)
class PathShares:
    """Parts of the score of N cells, in the model's own units."""

    own_N: Float
    """user → product: the row's own events with the very product."""
    owners_N: Float
    """user → vehicle → other owners → product."""
    through_N: Float
    """user → product → other people → product, over all products that the row knows."""
    cell_J: Int
    """Cell of each pair."""
    via_J: Int
    """The product that the row knows."""
    through_J: Float
    """What the pair adds to `through_N`."""


Shares = Callable[[Int, Int], PathShares]
"""(row_N, product_N) of the prepared audience → shares."""


def shares_of(policy: Recommender) -> Shares | None:
    """The part of a policy that can tell its paths apart; None for one that cannot, such as SQL."""
    if isinstance(policy, Hybrid):
        return shares_of(policy.sql if policy.alpha == 1 else policy.gnn)
    return getattr(policy, "path_shares", None)


def reads_own_events(policy: Recommender) -> bool:
    """Whether a policy without shares still scores what the user did with the very product: SQL's intent does."""
    if isinstance(policy, Hybrid):
        return reads_own_events(policy.sql if policy.alpha == 1 else policy.gnn)
    return policy.name == "sql_v5.17"
