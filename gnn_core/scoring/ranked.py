"""Ranked lists of an audience before the business rules, block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnn_core.recommender import Recommender
from gnn_core.scoring.candidates import Candidates
from gnn_core.scoring.rank import checked_block, top_k
from gnn_core.snapshot import Int


def ranked_lists(
    recommender: Recommender, n_rows: int, candidates: Candidates, k: int, block_rows: int
) -> tuple[Int, NDArray[np.float32]]:
    """The first k candidates of every row of the audience that `recommender` was prepared for.

    Returns:
        (A, k) product indices, -1 where there is none, and their scores.
    """
    products, scores = np.full((n_rows, k), -1, dtype=np.int64), np.zeros((n_rows, k), dtype=np.float32)
    for start in range(0, n_rows, block_rows):
        stop = min(start + block_rows, n_rows)
        block = checked_block(recommender, start, stop, candidates.n_products)
        products[start:stop], scores[start:stop] = top_k(block, candidates.mask(start, stop), k)
    return products, scores
