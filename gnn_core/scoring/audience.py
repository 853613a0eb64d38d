"""Who is scored, as few rows as possible: cold users with the same vehicles are one row of work.

What belongs here: users → audience rows. What does not: what a row may be offered (candidates.py).

Shape letters: U users given, A audience rows, V vehicles, S segments.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.errors import ShapeError
from gnn_core.recommender import Audience
from gnn_core.snapshot import Int, Snapshot

_MAX_REHASHES = 8


def build_audience(train: Snapshot, users: Int) -> tuple[Audience, Int]:
    """Group `users` (indices into `train.user_ids`, any order, repeats allowed) into audience rows.

    A user with any event before `train.as_of` is a row of their own; all others share a row with everyone who owns
    exactly the same vehicles. Rows are ordered by their lowest user index, whatever the order of `users`.

    Returns:
        The audience, and the row of each given user, (U,).
    Raises:
        ShapeError: a user index is outside the snapshot.
    """
    users = np.asarray(users, dtype=np.int64)
    n_users = len(train.user_ids)
    if len(users) and (users.min() < 0 or users.max() >= n_users):
        raise ShapeError(f"users hold indices {users.min()} to {users.max()}, but the snapshot has {n_users} users")
    unique, position_U = np.unique(users, return_inverse=True)
    events = train.events.between(None, train.as_of)
    warm = np.zeros(n_users, dtype=bool)
    warm[events.user_E] = True

    cold = ~warm[unique]
    group = np.empty(len(unique), dtype=np.int64)
    group[~cold] = unique[~cold]
    cold_users = unique[cold]
    group[cold] = cold_users[first_with_same_set(train.owns_UV[cold_users])]
    # `group` names a row by its lowest user index, so the sorted unique values are the row order.
    first_A, row, size_A = np.unique(group, return_inverse=True, return_counts=True)

    row_of_user = np.full(n_users, -1, dtype=np.int64)
    row_of_user[unique] = row
    kept = events.take(row_of_user[events.user_E] >= 0)
    owns_AV = train.owns_UV[first_A]
    audience = Audience(
        owns_AV=owns_AV,
        owns_AS=coarsen(owns_AV, train.segment_V, len(train.segment_ids)),
        history=replace(kept, user_E=row_of_user[kept.user_E]),
        user_A=np.where(size_A == 1, first_A, -1),
        as_of=train.as_of,
    )
    return audience, row[position_U]


def coarsen(matrix: sparse.csr_matrix, code: Int, n_codes: int) -> sparse.csr_matrix:
    """Boolean matrix over the groups of its columns: true where any column of the group is. `code` is (columns,)."""
    ones = np.ones(matrix.nnz, dtype=np.float32)
    # The copy matters: merging duplicates rewrites indptr in place, which would corrupt `matrix`.
    merged = sparse.csr_matrix((ones, code[matrix.indices], matrix.indptr.copy()), shape=(matrix.shape[0], n_codes))
    merged.sum_duplicates()
    merged.data = np.ones_like(merged.data)
    return merged


def first_with_same_set(rows: sparse.csr_matrix) -> Int:
    """For each row, the position of the first row with the same columns.

    Rows are grouped by a hash of their columns; then every row is compared with its group's first, column by column, so
    that a collision costs another round with another hash and never mixes two vehicle sets.
    """
    size = np.diff(rows.indptr).astype(np.int64)
    for attempt in range(_MAX_REHASHES):
        keys = _hash_sets(rows, attempt)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        candidate = first[inverse].astype(np.int64)
        if np.array_equal(size[candidate], size) and _same_columns(rows, candidate):
            return candidate
    raise AssertionError(f"{_MAX_REHASHES} independent 64-bit hashes of vehicle sets collided")


def _hash_sets(rows: sparse.csr_matrix, seed: int) -> NDArray[np.uint64]:
    """Order-free hash of each row's columns: the wrapping sum of one 64-bit word a column."""
    with np.errstate(over="ignore"):
        # Splitmix64: a fixed, well-mixed word for every column number.
        word = (np.arange(rows.shape[1], dtype=np.uint64) + np.uint64(seed * rows.shape[1] + 1)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        word ^= word >> np.uint64(31)
        total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(word[rows.indices], dtype=np.uint64)])
        return total[rows.indptr[1:]] - total[rows.indptr[:-1]]


def _same_columns(rows: sparse.csr_matrix, first: Int) -> bool:
    size = np.diff(rows.indptr)
    starts = np.repeat(rows.indptr[:-1][first], size)
    within = np.arange(rows.nnz) - np.repeat(rows.indptr[:-1], size)
    return bool(np.array_equal(rows.indices, rows.indices[starts + within]))


def segment_audience(train: Snapshot) -> Audience:
    """One row a make/model, as a user without history who owns just that: what a vehicle's own vector stands for."""
    n_S, n_V = len(train.segment_ids), len(train.vehicle_ids)
    ones = np.ones(n_V, dtype=np.float32)
    return Audience(
        owns_AV=sparse.csr_matrix((ones, (train.segment_V, np.arange(n_V))), shape=(n_S, n_V)),
        owns_AS=sparse.identity(n_S, dtype=np.float32, format="csr"),
        history=train.events.take(np.zeros(0, dtype=np.int64)),
        user_A=np.full(n_S, -1, dtype=np.int64),
        as_of=train.as_of,
    )
