"""The full pass in shards: which user is in which, how many there are, and one result out of all of them.

What belongs here: dealing out users and putting results together. What does not: scoring a shard (recommend.py), where
a shard's result lies in between (the caller).

A shard is drawn by a stable hash of a user id: that of the user who names the audience row, its lowest. So the users of
one row of work (cold users with the same vehicles) stay together, no row is scored twice, and the same rows come out
however many shards there are.

Shape letters: U users, A audience rows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gnn_core.config import ServingSettings
from gnn_core.errors import ContractError
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.recommend import RecommendationLists
from gnn_core.snapshot import Int, Snapshot


@dataclass(frozen=True)
class Shard:
    """One part of the users, scored."""

    number: int
    """From 0."""
    of: int
    """How many shards there are."""
    lists: RecommendationLists

    def counts(self) -> dict[str, Any]:
        """All but the rows, for JSON."""
        return {
            "shard": self.number,
            "of": self.of,
            "n_users": self.lists.n_users,
            "users_by_source": self.lists.users_by_source,
            "without": self.lists.without,
        }

    @classmethod
    def from_parts(cls, counts: Mapping[str, Any], table: pa.Table) -> Shard:
        """The inverse of `counts`, with its rows."""
        lists = RecommendationLists(table, counts["n_users"], counts["users_by_source"], counts["without"])
        return cls(counts["shard"], counts["of"], lists)


def shard_count(n_users: int, settings: ServingSettings) -> int:
    """How many shards that many users are worth: one a `users_per_shard`, at most `max_shards`, at least one."""
    return max(1, min(settings.max_shards, math.ceil(n_users / settings.users_per_shard)))


def users_of_shard(train: Snapshot, number: int, of: int) -> Int:
    """The users of one shard, as sorted indices into `train.user_ids`; every user is in exactly one.

    Raises:
        ContractError: there is no such shard.
    """
    if not 0 <= number < of:
        raise ContractError(f"there is no shard {number} of {of}; they are numbered from 0")
    everyone = np.arange(len(train.user_ids))
    if of == 1:
        return everyone
    _, row_U = build_audience(train, everyone)
    # Rows are ordered by their lowest user, and everyone is in order here.
    first_A = np.unique(row_U, return_index=True)[1]
    shard_A = np.array([_hashed(user_id) % of for user_id in train.user_ids[first_A]])
    return everyone[shard_A[row_U] == number] if len(everyone) else everyone


def _hashed(user_id: object) -> int:
    """Depends on the id alone, in every process: Python's own hash of a string does not."""
    return int.from_bytes(hashlib.sha256(str(user_id).encode()).digest()[:8], "big")


def merge(shards: Sequence[Shard], n_users: int) -> RecommendationLists:
    """One result of all shards, its rows in the order that one shard of everyone would give them.

    Args:
        n_users: of the snapshot; the shards must account for each of them.
    Raises:
        ContractError: a shard is missing, there twice or of another split, a user has rows in two of them, or users are
            missing.
    """
    _require_each_once(shards)
    counted = sum(shard.lists.n_users for shard in shards)
    if counted != n_users:
        raise ContractError(
            f"the shards hold {counted} users, the snapshot {n_users}: they are of another one; score them again"
        )
    if len(shards) == 1:
        return shards[0].lists
    seen = pa.concat_arrays([pc.unique(shard.lists.table["user_id"].combine_chunks()) for shard in shards])
    twice = [entry["values"] for entry in pc.value_counts(seen).to_pylist() if entry["counts"] > 1]
    if twice:
        raise ContractError(
            f"{len(twice)} user(s) have rows in more than one shard, such as {twice[:3]}. Score all shards again"
        )
    by_source: dict[str, int] = {}
    without: dict[str, int] = {}
    for shard in shards:
        for total, part in ((by_source, shard.lists.users_by_source), (without, shard.lists.without)):
            for key, n in part.items():
                total[key] = total.get(key, 0) + n
    whole = pa.concat_tables([shard.lists.table for shard in shards])
    ordered = [_by_user(whole.filter(pc.equal(whole["source"], source))) for source in by_source]
    return RecommendationLists(pa.concat_tables(ordered) if ordered else whole, n_users, by_source, without)


def _require_each_once(shards: Sequence[Shard]) -> None:
    splits = sorted({shard.of for shard in shards})
    if len(splits) != 1:
        raise ContractError(f"shards of different splits (of {splits}) cannot be merged; score all of one split")
    numbers = [shard.number for shard in shards]
    missing = sorted(set(range(splits[0])) - set(numbers))
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    if missing or twice:
        raise ContractError(
            f"of {splits[0]} shards, {missing or 'none'} missing and {twice or 'none'} there twice; "
            "their users would be lost or mailed twice. Run the missing shards' steps again"
        )


def _by_user(rows: pa.Table) -> pa.Table:
    return rows.sort_by([("user_id", "ascending"), ("slot", "ascending")])
