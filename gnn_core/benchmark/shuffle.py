"""Users' events exchanged: a store in which nothing about a user tells what they do next.

What belongs here: the exchange. What does not: its verdict (no model may beat popularity beyond its interval).

The events of each part of time (before the first cutoff, between any two, after the last) go as whole sequences to
other users who have events in that part. So who is active when, how much, and what sells when stay as they were; what a
user owns or did before says nothing about what they do later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from gnn_core.contracts import CONTRACTS, conform
from gnn_core.snapshot import micros
from gnn_core.stores.public.tables import PublicStore


def exchanged(store: PublicStore, cutoffs: Sequence[np.datetime64], seed: int) -> PublicStore:
    """The store with users' events exchanged within each part of time between the cutoffs.

    Args:
        store: contract tables. cutoffs: UTC moments that separate the parts. seed: of the exchange.
    """
    events = store.tables["events"].to_pandas()
    edges = np.unique([micros(c) for c in cutoffs])
    ts_E = events["event_ts"].dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
    part_E = np.searchsorted(edges, ts_E, side="right")
    user_E = events["user_id"].to_numpy(dtype=object)
    given = user_E.copy()
    rng = np.random.default_rng(seed)
    for part in np.unique(part_E):
        here = part_E == part
        active, place = np.unique(user_E[here], return_inverse=True)
        given[here] = active[rng.permutation(len(active))][place]
    moved = pa.Table.from_pandas(events.assign(user_id=pd.Series(given, dtype=object)), preserve_index=False)
    table = conform("events", moved).sort_by([(c, "ascending") for c in CONTRACTS["events"].column_names])
    return dataclasses.replace(store, tables=store.tables | {"events": table})
