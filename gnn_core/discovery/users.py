"""Similar users, for look-alike audiences: nearest groups of users, never users × users.

What belongs here: grouping, nearest groups, expanding an audience of seeds. What does not: the space (space.py).

Cold users with the same makes and models have one vector, so they are one group, whatever the years; a user with a
history is a group of their own. Nearest groups are a table of groups × K.

Shape letters: U users, A audience rows, G groups, K neighbours, S segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.errors import DataError, ShapeError
from gnn_core.recommender import Audience
from gnn_core.scoring.audience import first_with_same_set
from gnn_core.snapshot import Int

_BLOCK_ROWS = 256
_DECIMALS = 5


@dataclass(frozen=True)
class Groups:
    """Audience rows that no vector tells apart."""

    row_G: Int
    """The first audience row of each group; its vector is the group's."""
    group_U: Int
    """Group of each user, −1 for a user without a vehicle."""
    users_G: Int
    has_history_G: NDArray[np.bool_]


def group_users(audience: Audience, row_U: Int) -> Groups:
    """Groups of the audience of all users. `row_U` is the row of each user (build_audience)."""
    n_A = len(audience)
    has_history_A = np.zeros(n_A, dtype=bool)
    has_history_A[audience.history.user_E] = True
    first_A = np.arange(n_A)
    cold = np.flatnonzero(~has_history_A)
    first_A[cold] = cold[first_with_same_set(audience.owns_AS[cold].sorted_indices())]
    owner_A = np.diff(audience.owns_AS.indptr) > 0
    row_G, group = np.unique(first_A[owner_A], return_inverse=True)
    group_A = np.full(n_A, -1, dtype=np.int64)
    group_A[owner_A] = group
    group_U = group_A[row_U]
    users_G = np.bincount(group_U[group_U >= 0], minlength=len(row_G))
    return Groups(row_G, group_U, users_G, has_history_A[row_G])


@dataclass(frozen=True)
class Nearest:
    """The K nearest groups of each group; −1 and 0 where there are fewer."""

    group_GK: Int
    similarity_GK: NDArray[np.float32]


def nearest_groups(space_GD: NDArray[np.float32], k: int) -> Nearest:
    """The `k` nearest other groups by similarity, ties by lower group; a similarity of 0 or less is none."""
    n_G = len(space_GD)
    kept = min(k, max(n_G - 1, 0))
    group_GK = np.full((n_G, k), -1, dtype=np.int64)
    similarity_GK = np.zeros((n_G, k), dtype=np.float32)
    for start in range(0, n_G, _BLOCK_ROWS) if kept else ():
        rows = np.arange(start, min(start + _BLOCK_ROWS, n_G))
        near_RG = np.round(space_GD[rows] @ space_GD.T, _DECIMALS)
        near_RG[np.arange(len(rows)), rows] = -2.0
        some = np.argpartition(-near_RG, kept - 1, axis=1)[:, :kept]
        value = np.take_along_axis(near_RG, some, axis=1)
        order = np.lexsort((some, -value), axis=1)
        some, value = np.take_along_axis(some, order, axis=1), np.take_along_axis(value, order, axis=1)
        group_GK[rows, :kept] = np.where(value > 0, some, -1)
        similarity_GK[rows, :kept] = np.where(value > 0, value, 0.0)
    return Nearest(group_GK, similarity_GK)


def similarity_rows(groups: Groups, nearest: Nearest, owns_GS: sparse.csr_matrix) -> pa.Table:
    """One row a group and neighbour: how near, how many users stand behind it, and makes/models in common."""
    group, place = np.nonzero(nearest.group_GK >= 0)
    near = nearest.group_GK[group, place]
    shared = np.asarray(owns_GS[group].multiply(owns_GS[near]).sum(axis=1)).ravel() if len(group) else np.zeros(0)
    return pa.table(
        {
            "group": pa.array(group, pa.int64()),
            "rank": pa.array(place + 1, pa.int64()),
            "similar_group": pa.array(near, pa.int64()),
            "similarity": pa.array(nearest.similarity_GK[group, place].astype(np.float64).round(_DECIMALS)),
            "users": pa.array(groups.users_G[near], pa.int64()),
            "shared_vehicles": pa.array(shared.astype(np.int64), pa.int64()),
            "has_history": pa.array(groups.has_history_G[group], pa.bool_()),
        }
    )


def look_alikes(seed_U: Int, groups: Groups, nearest: Nearest, size: int) -> Int:
    """Users like the seeds, the most alike first: at most `size`, none of them a seed.

    A group is as alike as its similarities to the groups of the seeds add up to, each counted by its seeds; a seed's
    own group counts as similarity 1. Users of one group go by their index.

    Raises:
        ShapeError: a seed is no user of the groups. DataError: no seed has a vehicle.
    """
    if len(seed_U) and (seed_U.min() < 0 or seed_U.max() >= len(groups.group_U)):
        raise ShapeError(f"seeds hold indices up to {seed_U.max()}; there are {len(groups.group_U)} users")
    seed_group = groups.group_U[np.unique(seed_U)]
    seed_group = seed_group[seed_group >= 0]
    if not len(seed_group):
        raise DataError("look-alikes: none of the seeds owns a vehicle, so nobody can be like them")
    n_G = len(groups.row_G)
    seeds_G = np.bincount(seed_group, minlength=n_G).astype(np.float64)
    alike_G = seeds_G.copy()
    group, place = np.nonzero((nearest.group_GK >= 0) & (seeds_G > 0)[:, None])
    np.add.at(alike_G, nearest.group_GK[group, place], seeds_G[group] * nearest.similarity_GK[group, place])
    user = np.flatnonzero(groups.group_U >= 0)
    user = user[~np.isin(user, seed_U)]
    score = alike_G[groups.group_U[user]]
    user, score = user[score > 0], score[score > 0]
    return user[np.lexsort((user, -score))][:size]


def active_share(users: Int, active_U: NDArray[np.bool_]) -> float | None:
    """Share of users who did anything in a window; None of nobody."""
    return float(active_U[users].mean()) if len(users) else None


def user_rows(user_ids: NDArray[np.object_], groups: Groups) -> pa.Table:
    """Which group each user belongs to."""
    frame = pd.DataFrame({"user_id": user_ids, "group": groups.group_U})
    return pa.Table.from_pandas(frame[frame["group"] >= 0], preserve_index=False)
