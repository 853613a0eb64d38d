"""The leak canary: plant events in the future and see that nothing which is learned from moves.

What belongs here: planting, digests, the comparison. What does not: what follows (gate 1 calls a moved canary invalid).

The canary plants orders, carts, views and repeated joint purchases at and after the cutoff, as loudly as it can: on the
products that sold least, by every owner. If any of it reaches training, the graph's co-purchase edges, popularity or
SQL's counts, a digest moves.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.contracts import EVENT_TYPES
from gnn_core.errors import DataError
from gnn_core.graph.split import Cut
from gnn_core.snapshot import ORDER, Events, Int, Snapshot, micros

_MAX_USERS = 2_000
"""Users who get planted events; more would only take longer."""
_BASKETS = 3
"""Joint orders a user: co-purchase edges need at least two."""


@dataclass(frozen=True)
class CanaryResult:
    """Whether planted future events moved anything that a model may learn from."""

    passed: bool
    cut: str
    planted: dict[str, int]
    """Events planted, by type."""
    moved: tuple[str, ...]
    """What changed: `training snapshot`, `graph`, `baseline counts`."""
    digests: dict[str, str]
    """Of what may be learned from, without the planted events."""

    @property
    def sentence(self) -> str:
        """For the report and for the gate's list of invalid reasons."""
        n = sum(self.planted.values())
        if self.passed:
            return f"{n:,} events planted after the cutoff of {self.cut} changed nothing that is learned from"
        return f"leak canary: events planted after the cutoff of {self.cut} changed the {' and the '.join(self.moved)}"

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def leak_canary(snapshot: Snapshot, cut: Cut, digest: Callable[[Snapshot], str], seed: int) -> CanaryResult:
    """Plant events at and after `cut.fitted_before` and compare what is learned with and without them.

    Args:
        snapshot: the whole store.
        cut: whose cutoff is tested.
        digest: from the *whole* snapshot to a digest of what the graph model learns from. It must cut the snapshot
            itself, in the way the pipeline does, so that a path which forgets to cut is caught.
        seed: of the planting.
    Raises:
        DataError: there is nobody or nothing to plant, so the canary could not sing.
    """
    planted_events = plant_future(snapshot, cut, seed)
    planted = with_events(snapshot, planted_events, cut)
    if snapshot_digest(planted) == snapshot_digest(snapshot):
        raise DataError(f"cut {cut.name}: planting changed nothing at all, so the canary proves nothing")
    before = _learned(snapshot, cut, digest)
    after = _learned(planted, cut, digest)
    moved = tuple(name for name in before if before[name] != after[name])
    kinds = np.bincount(planted_events.kind_E, minlength=len(EVENT_TYPES))
    return CanaryResult(
        passed=not moved,
        cut=cut.name,
        planted={name: int(n) for name, n in zip(EVENT_TYPES, kinds, strict=True)},
        moved=moved,
        digests=before,
    )


def plant_future(snapshot: Snapshot, cut: Cut, seed: int) -> Events:
    """Events from the cutoff's first microsecond on: joint orders of the slowest sellers, and views and carts of them.

    Raises:
        DataError: the store has no user, or fewer than two products.
    """
    n_users, n_products = len(snapshot.user_ids), len(snapshot.product_ids)
    if n_users == 0 or n_products < 2:
        raise DataError(f"cannot plant events in a store of {n_users} users and {n_products} products")
    rng = np.random.default_rng(seed)
    users = np.sort(rng.choice(n_users, size=min(n_users, _MAX_USERS), replace=False)).astype(np.int64)
    orders = snapshot.events.take(snapshot.events.kind_E == ORDER)
    slowest = np.argsort(np.bincount(orders.product_E, minlength=n_products), kind="stable")[: max(2, n_products // 20)]
    # Two products together, three times a user: the second always follows from the first, so pairs repeat.
    first = rng.integers(0, len(slowest), size=(len(users), _BASKETS))
    first[:, 1:] = first[:, :1]
    pair = np.stack([slowest[first], slowest[(first + 1) % len(slowest)]], axis=2)
    start, end = micros(cut.fitted_before), micros(max(cut.end, cut.fitted_before + np.timedelta64(1, "D")))
    moment = rng.integers(start, end, size=(len(users), _BASKETS))
    moment[0, :] = start  # the very first microsecond that is not history
    basket = (
        snapshot.events.order_E.max(initial=-1) + 1 + np.arange(len(users) * _BASKETS).reshape(len(users), _BASKETS)
    )

    def flat(values: NDArray) -> Int:
        return np.broadcast_to(values, (3, *pair.shape)).astype(np.int64).ravel()

    kind_E = flat(np.arange(3).reshape(3, 1, 1, 1))
    return Events(
        user_E=flat(users[:, None, None]),
        product_E=flat(pair),
        kind_E=kind_E.astype(np.int8),
        ts_E=flat(moment[:, :, None]),
        order_E=np.where(kind_E == ORDER, flat(basket[:, :, None]), -1),
        quantity_E=np.ones(len(kind_E), dtype=np.int64),
    )


def planted_rows(snapshot: Snapshot, planted: Events) -> pd.DataFrame:
    """The planted events as rows of contract table `events`, for canaries that go through the warehouse."""
    order_ids = np.array([f"canary-{code}" if code >= 0 else None for code in planted.order_E], dtype=object)
    return pd.DataFrame(
        {
            "user_id": snapshot.user_ids[planted.user_E],
            "product_id": snapshot.product_ids[planted.product_E],
            "event_type": np.array(EVENT_TYPES, dtype=object)[planted.kind_E],
            "event_ts": pd.to_datetime(planted.ts_E, unit="us", utc=True),
            "order_id": order_ids,
            "quantity": planted.quantity_E,
            "price": snapshot.price_P[planted.product_E],
        }
    )


def with_events(snapshot: Snapshot, extra: Events, cut: Cut) -> Snapshot:
    """The snapshot with more events in it, in the order that a Snapshot promises, reaching at least to `cut.end`."""
    old = vars(snapshot.events)
    joined = Events(**{name: np.concatenate([values, getattr(extra, name)]) for name, values in old.items()})
    order = np.lexsort((joined.order_E, joined.kind_E, joined.product_E, joined.user_E, joined.ts_E))
    as_of = max(snapshot.as_of, cut.end)
    return dataclasses.replace(snapshot, events=joined.take(order), as_of=as_of)


def snapshot_digest(snapshot: Snapshot) -> str:
    """SHA-256 over everything a snapshot holds."""
    sha = hashlib.sha256()
    for field in dataclasses.fields(snapshot):
        sha.update(field.name.encode())
        _update(sha, getattr(snapshot, field.name))
    return sha.hexdigest()


def count_digest(train: Snapshot) -> str:
    """SHA-256 over orders by segment and product, and by product: what SQL's popularity is made of."""
    orders = train.events.take(train.events.kind_E == ORDER)
    shape = (len(train.user_ids), len(train.product_ids))
    orders_UP = sparse.csr_matrix((np.ones(len(orders)), (orders.user_E, orders.product_E)), shape=shape)
    orders_SP = (train.owns_US.T @ orders_UP).tocsr()
    sha = hashlib.sha256()
    _update(sha, orders_SP)
    _update(sha, np.asarray(orders_UP.sum(axis=0)))
    return sha.hexdigest()


def _learned(snapshot: Snapshot, cut: Cut, digest: Callable[[Snapshot], str]) -> dict[str, str]:
    train = snapshot.before(cut.fitted_before)
    return {
        "training snapshot": snapshot_digest(train),
        "graph": digest(snapshot),
        "baseline counts": count_digest(train),
    }


def _update(sha: Any, value: Any) -> None:
    if isinstance(value, Events):
        for values in vars(value).values():
            _update(sha, values)
    elif isinstance(value, pd.DataFrame):
        sha.update(pd.util.hash_pandas_object(value, index=True).to_numpy().tobytes())
    elif sparse.issparse(value):
        csr = value.tocsr(copy=True)
        csr.sum_duplicates()
        for values in (csr.indptr.astype(np.int64), csr.indices.astype(np.int64), csr.data):
            _update(sha, values)
    elif isinstance(value, np.ndarray) and value.dtype == object:
        sha.update("\x1f".join(map(str, value)).encode())
    elif isinstance(value, np.ndarray):
        sha.update(f"{value.dtype}{value.shape}".encode())
        sha.update(np.ascontiguousarray(value).tobytes())
    else:
        sha.update(str(value).encode())
