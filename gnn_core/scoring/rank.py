"""Scores → exact lists: top-k with and without the business rules, over blocks of rows.

What belongs here: order, ties, rules that look at the other products of a list. What does not: who is a candidate
(candidates.py), how scores are made or mixed (models, hybrid.py).

A score and its product index travel as one 64-bit key whose order is "higher score first, then lower index": one
integer sort decides everything, ties included.

Shape letters: R rows of a block, P products, C candidates of the widest row, K list length.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gnn_core.errors import DataError, ShapeError
from gnn_core.recommender import Recommender
from gnn_core.snapshot import Int

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Keys = NDArray[np.uint64]

_CHUNK_CELLS = 4_000_000
"""Dense cells worked on at once; keys of a chunk take 32 MB when every product is a candidate."""
_FIRST_DEPTH = 32
"""How deep a row is looked at first; rows whose list is not full by then are looked at 8 times deeper."""
_SIGN = np.uint32(0x8000_0000)
_LOW = np.uint64(0xFFFF_FFFF)


def checked_block(recommender: Recommender, start: int, stop: int, n_products: int) -> Float:
    """`recommender.score_block(start, stop)`, refused when its shape or a value is not what the protocol promises.

    Raises:
        ShapeError: not (stop - start, n_products).
        DataError: a score is NaN or infinite.
    """
    scores = recommender.score_block(start, stop)
    if scores.shape != (stop - start, n_products):
        raise ShapeError(
            f"{recommender.name}: rows {start} to {stop} scored as {scores.shape}, not {(stop - start, n_products)}"
        )
    require_finite(scores, recommender.name, first_row=start)
    return scores


def require_finite(scores_RP: NDArray[np.floating], name: str, *, first_row: int = 0) -> None:
    """Raise DataError, naming the model and the first bad cell, when a score is NaN or infinite."""
    finite = np.isfinite(scores_RP)
    if not finite.all():
        row, product = np.argwhere(~finite)[0]
        raise DataError(
            f"{name}: {int((~finite).sum())} score(s) are NaN or infinite, the first ({scores_RP[row, product]}) in "
            f"audience row {first_row + row}, product index {product}. A model that diverged cannot be ranked."
        )


def candidate_cells(mask_RP: Bool) -> tuple[Int, Int]:
    """Row and product of every candidate, by row, then product: `np.nonzero`, five times faster on a flat mask."""
    flat = np.flatnonzero(mask_RP)
    row = np.repeat(np.arange(len(mask_RP)), np.count_nonzero(mask_RP, axis=1))
    return row, flat - row * mask_RP.shape[1]


def top_k(scores_RP: Float, mask_RP: Bool, k: int, *, name: str = "scores") -> tuple[Int, Float]:
    """The `k` best candidates of each row; ties go to the lower product index.

    Args:
        scores_RP: finite everywhere.
        mask_RP: candidates.
        name: of the model, for error messages.
    Returns:
        Product indices (R, k), -1 where a row has no more candidates, and their scores (R, k), NaN there.
    Raises:
        ShapeError: scores and mask disagree. DataError: a score is NaN or infinite.
    """
    _check(scores_RP, mask_RP, k, name)
    best = np.zeros((len(scores_RP), k), dtype=np.uint64)
    for rows in row_chunks(*scores_RP.shape):
        _put(best, rows, _largest(_keys(scores_RP[rows], mask_RP[rows]), k))
    return _decode(best)


def top_k_with_rules(
    scores_RP: Float,
    mask_RP: Bool,
    purchased_RP: Bool,
    part_type_P: Int,
    base_P: Int,
    max_per_part_type: int,
    k: int,
    *,
    name: str = "scores",
) -> tuple[Int, Float]:
    """The `k` best candidates of each row under the business rules, in the SQL cascade's order of rules.

    Purchased products go first; then of each base product only the best variant stays; then of each part type only the
    `max_per_part_type` best; then the best `k`. Ties go to the lower product index everywhere. Exact: a list is shorter
    than `k` only when the row's candidates are exhausted.

    Returns and raises as `top_k`.
    """
    _check(scores_RP, mask_RP, k, name)
    _check(scores_RP, purchased_RP, k, name)
    if max_per_part_type < 1:
        raise ShapeError(f"max_per_part_type is {max_per_part_type}; at least 1 product of a part type must be allowed")
    lists = np.zeros((len(scores_RP), k), dtype=np.uint64)
    for rows in row_chunks(*scores_RP.shape):
        keys = _keys(scores_RP[rows], mask_RP[rows] & ~purchased_RP[rows])
        pending, depth = np.arange(len(keys)), max(_FIRST_DEPTH, 4 * k)
        while len(pending):
            sorted_keys = _largest(keys[pending], depth)
            chosen = _apply_rules(sorted_keys, part_type_P, base_P, max_per_part_type, k)
            lists[rows][pending, : chosen.shape[1]] = chosen
            # A prefix of the sorted candidates gives a prefix of the list, so only unfilled rows need to go deeper.
            unfilled = np.count_nonzero(chosen, axis=1) < k
            if depth >= keys.shape[1]:
                break
            pending, depth = pending[unfilled & (sorted_keys[:, -1] != 0)], depth * 8
    return _decode(lists)


def _apply_rules(keys: Keys, part_type_P: Int, base_P: Int, max_per_part_type: int, k: int) -> Keys:
    """The first `k` survivors of each row of keys sorted in falling order; 0 pads."""
    product, alive = _product(keys), keys != 0
    alive &= _occurrence(np.where(alive, base_P[product], -1)) == 0
    alive &= _occurrence(np.where(alive, part_type_P[product], -1)) < max_per_part_type
    # Survivors first, in their order: they are already sorted, so a sort of the blanked keys keeps it.
    return _largest(np.where(alive, keys, np.uint64(0)), k)


def _occurrence(code: Int) -> Int:
    """For each cell, how many cells to its left in the row hold the same code."""
    order = np.argsort(code, axis=1, kind="stable")
    grouped = np.take_along_axis(code, order, axis=1)
    place = np.broadcast_to(np.arange(code.shape[1]), code.shape)
    starts = np.where(np.diff(grouped, axis=1, prepend=grouped[:, :1] - 1) != 0, place, 0)
    occurrence = np.empty_like(code)
    np.put_along_axis(occurrence, order, place - np.maximum.accumulate(starts, axis=1), axis=1)
    return occurrence


def _keys(scores: Float, mask: Bool) -> Keys:
    """(R, C) keys of each row's candidates, left-aligned; 0 pads and is below every key."""
    row, product = candidate_cells(mask)
    count = np.bincount(row, minlength=len(mask))
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    # + 0 turns -0.0 into 0.0, which must tie.
    bits = (scores[row, product].astype(np.float32) + np.float32(0)).view(np.uint32)
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    keys = np.zeros((len(mask), int(count.max(initial=0))), dtype=np.uint64)
    keys[row, place] = (ordered.astype(np.uint64) << np.uint64(32)) | (_LOW - product.astype(np.uint64))
    return keys


def _largest(keys: Keys, n: int) -> Keys:
    """The n largest keys of each row in falling order (all of them when there are fewer)."""
    width = keys.shape[1]
    if width > n:
        keys = np.partition(keys, width - n, axis=1)[:, width - n :]
    return np.sort(keys, axis=1)[:, ::-1]


def _product(keys: Keys) -> Int:
    return np.where(keys != 0, (_LOW - (keys & _LOW)).astype(np.int64), 0)


def _decode(keys: Keys) -> tuple[Int, Float]:
    high = (keys >> np.uint64(32)).astype(np.uint32)
    bits = np.where(high & _SIGN, high & ~_SIGN, ~high)
    scores = np.where(keys != 0, bits.view(np.float32), np.float32(np.nan))
    return np.where(keys != 0, _product(keys), -1), scores


def _put(target: Keys, rows: slice, values: Keys) -> None:
    target[rows, : values.shape[1]] = values


def row_chunks(n_rows: int, n_products: int) -> Iterator[slice]:
    """Slices of rows whose dense cells are few enough to work on at once."""
    step = max(1, _CHUNK_CELLS // max(1, n_products))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def _check(scores_RP: Float, flags_RP: Bool, k: int, name: str) -> None:
    if scores_RP.shape != flags_RP.shape or scores_RP.ndim != 2:
        raise ShapeError(f"{name}: scores are {scores_RP.shape} but mask or purchases are {flags_RP.shape}")
    if k < 1:
        raise ShapeError(f"{name}: k is {k}; a list has at least one place")
    require_finite(scores_RP, name)
