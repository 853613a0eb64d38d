"""Who is supervised with what: folds of users, positives, and what a user had done before each positive.

What belongs here: choosing and hiding events. What does not: negatives (negatives.py), gradient steps (trainer.py).

The users of one fold are supervised while the other folds' users carry the messages. All events of the supervised
fold are hidden from messages, popularity, co-purchase and factors: such a user is then exactly as unknown as a cold
user will be when served. For users with a past, a positive is also asked for with their own earlier events as input.

Shape letters: U users, E events (sorted by user, time), N examples, B examples of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.graph.interactions import MICROS_PER_DAY
from gnn_core.snapshot import Events, Int, Snapshot, micros


def fold_of_users(user_ids: NDArray[np.object_], n_folds: int, seed: int) -> Int:
    """(U,) fold of each user, by a hash of the id: adding or removing other users moves nobody."""
    hashed = pd.util.hash_array(user_ids.astype(object), hash_key=f"{seed % 10**16:016d}", categorize=False)
    return (hashed % np.uint64(n_folds)).astype(np.int64)


@dataclass(frozen=True)
class Examples:
    """Positives: the first time that a user did this kind of thing with this product."""

    user_N: Int
    product_N: Int
    ts_N: Int
    weight_N: NDArray[np.float64]
    """Weight of the kind, decayed to the snapshot's as-of."""
    fits_N: NDArray[np.bool_]
    """Whether the product fits a vehicle of the user; only then is it compared with fitting products."""
    past_start_N: Int
    past_stop_N: Int
    """The user's earlier events are rows [start, stop) of `EventLog`."""

    def __len__(self) -> int:
        return len(self.user_N)

    def take(self, index: NDArray) -> Examples:
        """The examples at a boolean mask or index array."""
        return Examples(**{name: values[index] for name, values in vars(self).items()})


@dataclass(frozen=True)
class EventLog:
    """Events by user and time, to look up what came before."""

    events: Events
    weight_E: NDArray[np.float64]
    """Weight of the kind, undecayed."""
    tau_days: float

    def past(self, examples: Examples, n_products: int, longest: int) -> sparse.csr_matrix:
        """(B, P) decayed weights of the last `longest` events before each example; age counts from the example."""
        start = np.maximum(examples.past_start_N, examples.past_stop_N - longest)
        row, event = ragged(start, examples.past_stop_N)
        age_days = (examples.ts_N[row] - self.events.ts_E[event]) / MICROS_PER_DAY
        weight = self.weight_E[event] * np.exp(-age_days / self.tau_days)
        shape = (len(examples), n_products)
        return sparse.csr_matrix((weight, (row, self.events.product_E[event])), shape=shape)


def ragged(start_B: Int, stop_B: Int) -> tuple[Int, Int]:
    """Rows and positions of the concatenated ranges [start, stop): ([0, 0, 1, …], [start0, start0 + 1, start1, …])."""
    length = np.maximum(stop_B - start_B, 0)
    row = np.repeat(np.arange(len(length)), length)
    first = np.cumsum(length) - length
    return row, np.arange(length.sum()) - first[row] + start_B[row]


def event_log(train: Snapshot, kinds: NDArray[np.float64], tau_days: float) -> EventLog:
    """All events of the snapshot, sorted by (user, time)."""
    events = train.events.take(np.lexsort((train.events.ts_E, train.events.user_E)))
    return EventLog(events, kinds[events.kind_E], tau_days)


def build_examples(train: Snapshot, log: EventLog, kinds: NDArray[np.float64], tau_days: float) -> Examples:
    """Every (user, product, kind) of the log once, at its first time.

    Args:
        train: ownership and fitment; its `as_of` is the moment from which weights decay.
        log: events sorted by user and time.
        kinds: weight of each event kind.
        tau_days: decay constant of the example weights.
    """
    ev = log.events
    key = (ev.user_E * np.int64(len(train.product_ids)) + ev.product_E) * len(kinds) + ev.kind_E
    first = np.sort(np.unique(key, return_index=True)[1])
    user, ts = ev.user_E[first], ev.ts_E[first]
    age_days = (micros(train.as_of) - ts) / MICROS_PER_DAY
    start = np.searchsorted(ev.user_E, user, side="left")
    # Events at the same moment are one basket: none of them is the other's past.
    moment = np.flatnonzero(np.r_[True, (np.diff(ev.user_E) != 0) | (np.diff(ev.ts_E) != 0)])
    stop = moment[np.searchsorted(moment, first, side="right") - 1]
    return Examples(
        user_N=user,
        product_N=ev.product_E[first],
        ts_N=ts,
        weight_N=kinds[ev.kind_E[first]] * np.exp(-age_days / tau_days),
        fits_N=fits_owner(train, user, ev.product_E[first]),
        past_start_N=start,
        past_stop_N=np.maximum(stop, start),
    )


def fits_owner(train: Snapshot, user_N: Int, product_N: Int) -> NDArray[np.bool_]:
    """(N,) whether each product fits one of the user's year/make/model vehicles."""
    owns, fits = train.owns_UV, train.fits_VP
    row, entry = ragged(owns.indptr[user_N].astype(np.int64), owns.indptr[user_N + 1].astype(np.int64))
    n_P = np.int64(len(train.product_ids))
    have = np.repeat(np.arange(fits.shape[0]), np.diff(fits.indptr)) * n_P + fits.indices
    hit = np.isin(owns.indices[entry] * n_P + product_N[row], have)
    return np.bincount(row[hit], minlength=len(user_N)) > 0
