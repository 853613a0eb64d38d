"""What users did in the held-out window: the products that a good ranking should have placed high.

What belongs here: held-out positives of a cut, and whether each came from an e-mail or by itself. What does not: who
could have been reached at all (panel.py).

Shape letters: E events of the window, N distinct (user, product) positives, C clicks.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.config import EvaluationSettings
from gnn_core.contracts import EVENT_TYPES
from gnn_core.errors import DataError, LeakageError, ShapeError
from gnn_core.graph.split import Cut
from gnn_core.snapshot import ORDER, Int, Snapshot

logger = logging.getLogger(__name__)

ORIGINS = ("organic", "email")
"""The held-out clicks of e-mails that SQL filled favour SQL, so what users did by themselves is reported apart."""
_MICROS_PER_HOUR = 3_600_000_000


@dataclass(frozen=True)
class Clicks:
    """Users' clicks in their e-mails, sorted by (time, user)."""

    user_C: Int
    ts_C: Int
    """UTC microseconds since 1970."""

    def __len__(self) -> int:
        return len(self.user_C)


@dataclass(frozen=True)
class Positives:
    """Distinct held-out (user, product) pairs, sorted by user and then product."""

    user_N: Int
    product_N: Int
    organic_N: NDArray[np.bool_]
    """At least one event of the pair did not follow an e-mail click. True everywhere when no clicks are known."""

    def __len__(self) -> int:
        return len(self.user_N)

    def take(self, index: NDArray) -> Positives:
        """The positives at a boolean mask or index array."""
        return Positives(self.user_N[index], self.product_N[index], self.organic_N[index])


def email_clicks(snapshot: Snapshot, sends: pd.DataFrame, engagements: pd.DataFrame) -> Clicks:
    """Clicks of the snapshot's users, from the contract tables `sends` and `engagements`.

    Clicks without a send, and of users without a vehicle, are left out and counted in the log.
    """
    clicks = engagements.loc[engagements["kind"] == "click", ["tracking_id", "engaged_ts"]]
    joined = clicks.merge(sends[["tracking_id", "user_id"]], on="tracking_id", how="left")
    user_C = pd.Index(snapshot.user_ids).get_indexer(pd.Index(joined["user_id"]))
    known = user_C >= 0
    if (~known).any():
        logger.info("%d of %d e-mail clicks belong to no user of the snapshot", int((~known).sum()), len(known))
    stamps = pd.to_datetime(joined["engaged_ts"], utc=True).dt.tz_localize(None)
    ts_C = stamps.to_numpy(dtype="datetime64[us]").astype(np.int64)[known]
    user_C = user_C[known].astype(np.int64)
    order = np.lexsort((user_C, ts_C))
    return Clicks(user_C[order], ts_C[order])


def held_out_positives(
    snapshot: Snapshot, train: Snapshot, cut: Cut, settings: EvaluationSettings, clicks: Clicks | None = None
) -> Positives:
    """Distinct (user, product) pairs with a positive event in [cut.start, cut.end).

    Args:
        snapshot: the whole store, window included.
        train: the same store as of `cut.fitted_before`: decides whose history and which orders are known.
        cut: the window.
        settings: which events count; `new_products_only` drops products that the user had ordered before;
            `require_history` drops users without any event before.
        clicks: the users' e-mail clicks; None when the store has no e-mail data.
    Raises:
        DataError: the snapshot ends before the window does.
        LeakageError: `train` knows events at or after `cut.fitted_before`.
        ShapeError: the two snapshots are not of one store.
    """
    _check_pair(snapshot, train, cut)
    events = snapshot.events.between(cut.start, cut.end)
    kinds = [EVENT_TYPES.index(name) for name in settings.positive_events]
    events = events.take(np.isin(events.kind_E, kinds))
    if settings.require_history:
        events = events.take(np.isin(events.user_E, train.events.user_E))
    n_products = len(snapshot.product_ids)
    key_E = events.user_E * n_products + events.product_E
    if settings.new_products_only:
        ordered = train.events.take(train.events.kind_E == ORDER)
        new_E = ~np.isin(key_E, ordered.user_E * n_products + ordered.product_E)
        events, key_E = events.take(new_E), key_E[new_E]
    follows_E = np.zeros(len(events), dtype=bool)
    if clicks is not None:
        follows_E = follows_click(events.user_E, events.ts_E, clicks, settings.email_attribution_hours)
    key_N, place_E = np.unique(key_E, return_inverse=True)
    organic_N = np.zeros(len(key_N), dtype=bool)
    organic_N[place_E[~follows_E]] = True
    return Positives(key_N // n_products, key_N % n_products, organic_N)


def follows_click(user_E: Int, ts_E: Int, clicks: Clicks, hours: float) -> NDArray[np.bool_]:
    """(E,) whether an event happened at, or up to `hours` after, a click of the same user."""
    if not len(user_E) or not len(clicks):
        return np.zeros(len(user_E), dtype=bool)
    events = pd.DataFrame({"user": user_E, "ts": ts_E, "place": np.arange(len(user_E))}).sort_values(
        "ts", kind="stable"
    )
    known = pd.DataFrame({"user": clicks.user_C, "ts": clicks.ts_C, "clicked": clicks.ts_C})
    window = round(hours * _MICROS_PER_HOUR)
    joined = pd.merge_asof(events, known, on="ts", by="user", direction="backward", tolerance=window)
    follows_E = np.zeros(len(user_E), dtype=bool)
    follows_E[joined["place"].to_numpy()] = joined["clicked"].notna().to_numpy()
    return follows_E


def _check_pair(snapshot: Snapshot, train: Snapshot, cut: Cut) -> None:
    if snapshot.as_of < cut.end:
        raise DataError(
            f"cut {cut.name}: the snapshot ends at {snapshot.as_of}, before the window does at {cut.end}; "
            "evaluate a later snapshot or an earlier window"
        )
    if train.as_of > cut.fitted_before:
        raise LeakageError(
            f"cut {cut.name}: the training snapshot reaches to {train.as_of}, the cutoff is {cut.fitted_before}; "
            "cut it with snapshot.before(cut.fitted_before)"
        )
    for name in ("user_ids", "product_ids", "vehicle_ids"):
        whole, part = getattr(snapshot, name), getattr(train, name)
        if whole is not part and not np.array_equal(whole, part):
            raise ShapeError(f"cut {cut.name}: snapshot and train differ in {name} ({len(whole)} and {len(part)})")
