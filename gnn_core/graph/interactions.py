"""User–product interactions: undecayed facts, and the decayed edge weights that are derived from them.

What belongs here: event weights, decay, adding up repeated events.
What does not: which events may be seen (graph/split.py, training/folds.py), edge tensors (hetero.py).

Facts never depend on the moment at which they are looked at, so a weekly refresh appends facts and derives the weights
again; decayed weights are never stored and decayed further.

Shape letters: E events, K distinct (user, product) pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnn_core.config.learning import GraphSettings
from gnn_core.contracts import EVENT_TYPES
from gnn_core.errors import ConfigError, LeakageError
from gnn_core.snapshot import Events, Int, micros

MICROS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class WeightedPairs:
    """One row a (user, product) pair, sorted by (user, product)."""

    user_K: Int
    product_K: Int
    weight_K: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.user_K)


def kind_weights(settings: GraphSettings) -> NDArray[np.float64]:
    """Weight of each event kind in the order of `contracts.EVENT_TYPES`.

    Raises:
        ConfigError: `graph.event_weights` misses a kind, names an unknown one, has a negative weight, or only zeros.
    """
    given = settings.event_weights
    if set(given) != set(EVENT_TYPES) or min(given.values()) < 0 or max(given.values()) <= 0:
        need = f"a weight >= 0 for each of {list(EVENT_TYPES)}, at least one of them above 0"
        raise ConfigError(f"graph.event_weights is {given}; it must give {need}")
    return np.array([given[kind] for kind in EVENT_TYPES], dtype=np.float64)


def event_weights(
    events: Events, as_of: np.datetime64, settings: GraphSettings, *, tau_days: float | None = None
) -> NDArray[np.float64]:
    """Weight of each event: weight of its kind × exp(−age / tau), age counted from `as_of`.

    Args:
        events: facts, all before `as_of`.
        as_of: the cutoff of the split or the as-of date, never today.
        settings: weights of the kinds, and tau when `tau_days` is not given.
        tau_days: decay constant in days; infinity switches decay off. The half-life is tau · ln 2.
    Returns:
        (E,) weights, each at most the weight of its kind.
    Raises:
        LeakageError: an event lies at or after `as_of`.
    """
    age_us = micros(as_of) - events.ts_E
    if len(events) and age_us.min() <= 0:
        late = int((age_us <= 0).sum())
        raise LeakageError(f"events: {late} event(s) at or after the cutoff {as_of}; cut the snapshot with before()")
    tau = settings.decay_tau_days if tau_days is None else tau_days
    return kind_weights(settings)[events.kind_E] * np.exp(-(age_us / MICROS_PER_DAY) / tau)


def add_up(user_E: Int, product_E: Int, weight_E: NDArray[np.float64], n_products: int) -> WeightedPairs:
    """Sum the weights of repeated (user, product) pairs."""
    key_K, pair_E = np.unique(user_E * np.int64(n_products) + product_E, return_inverse=True)
    return WeightedPairs(
        user_K=key_K // n_products,
        product_K=key_K % n_products,
        weight_K=np.bincount(pair_E, weights=weight_E, minlength=len(key_K)).astype(np.float64),
    )


def decayed_pairs(
    events: Events, as_of: np.datetime64, n_products: int, settings: GraphSettings, *, tau_days: float | None = None
) -> WeightedPairs:
    """The interaction edges: decayed weights of all events of a pair, added up. See `event_weights`."""
    weight_E = event_weights(events, as_of, settings, tau_days=tau_days)
    return add_up(events.user_E, events.product_E, weight_E, n_products)
