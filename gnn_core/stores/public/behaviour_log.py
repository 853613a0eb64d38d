"""The warm protocol on a log of views, carts and orders.

What belongs here: the log → contract tables, and its windows. What does not: other kinds of files.

One vehicle that fits everything and that everyone owns stands in for fitment, so history decides alone. Judged are the
products that a user orders in a window and had not ordered before, for users with any event before the cutoff.
"""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from gnn_core.contracts import EVENT_TYPES
from gnn_core.errors import ContractError, DataError
from gnn_core.stores.public import tables as shared
from gnn_core.stores.public.reading import id_texts, read_file, whole_numbers

LOG_COLUMNS = ("user_id", "item_id", "behavior", "ts")
TEST_CUTS = 3
STRIDE_DAYS = 20
PART_TYPE_BUCKETS = 100
"""Buckets of products that stand in for part types: a list of four seldom holds three of one bucket."""
_SECONDS = (946_684_800, 4_102_444_800)
"""2000-01-01 to 2100-01-01: outside, the column is no time in seconds."""

_log = logging.getLogger(__name__)


def load_behaviour_log(name: str, path: Path) -> shared.PublicStore:
    """Read a log of (user_id, item_id, behavior, ts), ts in seconds since 1970 UTC, behavior one of view, cart, order.

    Order numbers are not in such a log: what a user orders in one second is one order.

    Raises:
        ContractError: the file breaks its shape.
        DataError: the log is too short for the windows, or holds no order.
    """
    log = _read(path)
    users, items = np.unique(log["user"]).astype(object), np.unique(log["item"]).astype(object)
    item_P = np.empty(len(items), dtype=object)
    code = shared.permuted_codes(len(items))
    item_P[code] = items
    ids_P = shared.product_ids(len(items))
    ids_U = np.array([f"U{u}" for u in users], dtype=object)
    buckets = [f"Bucket {i % PART_TYPE_BUCKETS:02d}" for i in range(len(items))]
    validation, tests = log_cutoffs(log["event_ts"].min(), log["event_ts"].max(), path)

    user = "U" + log["user"]
    is_order = log["behavior"] == "order"
    events = pd.DataFrame(
        {
            "user_id": user,
            "product_id": ids_P[code[np.searchsorted(items, log["item"].to_numpy(dtype=object))]],
            "event_type": log["behavior"],
            "event_ts": log["event_ts"],
            "order_id": (user + "-" + log["ts"].astype(str)).where(is_order, None),
            "quantity": 1,
            "price": None,
        }
    )
    _log.info("%s: %d events of %d users and %d products; tests %s", name, len(log), len(users), len(items), tests)
    return shared.PublicStore(
        tables=shared.contract_tables(
            {
                "users": shared.users_frame(ids_U),
                **shared.one_vehicle_for_all(ids_U, ids_P),
                "products": shared.products_frame(ids_P, [f"Item {i}" for i in item_P], buckets),
                "events": events,
            }
        ),
        profile=shared.store_profile(
            name,
            validation=validation,
            tests=tests,
            stride_days=STRIDE_DAYS,
            first_event=log["event_ts"].min().date(),
            n_users=len(users),
            warm=True,
            new_products_only=True,
            stand_ins=(
                "one vehicle fits everything and everyone owns it",
                f"price {shared.STAND_IN_PRICE_USD:g} USD, image address and e-mail consent",
                f"part type is one of {PART_TYPE_BUCKETS} random buckets of products",
                "what a user orders in one second is one order",
            ),
        ),
    )


def log_cutoffs(first: pd.Timestamp, last: pd.Timestamp, path: Path) -> tuple[list[dt.date], list[dt.date]]:
    """Validation and test cutoffs of a log that runs from `first` to `last`.

    The last test window ends at the start of the last day; tests are 20 days apart, and validation lies 20 days before
    the first of them. For the log of 2015-05-03 to 09-18 these are the published cutoffs: 06-20; 07-10, 07-30, 08-19.

    Raises:
        DataError: less than one window of history lies before the validation cutoff.
    """
    end = last.date() - dt.timedelta(days=shared.HORIZON_DAYS)
    tests = [end - dt.timedelta(days=STRIDE_DAYS * k) for k in reversed(range(TEST_CUTS))]
    validation = tests[0] - dt.timedelta(days=STRIDE_DAYS)
    if first.date() + dt.timedelta(days=shared.HORIZON_DAYS) > validation:
        raise DataError(
            f"file {path}: events run from {first.date()} to {last.date()}; the validation cutoff would be "
            f"{validation}, with less than {shared.HORIZON_DAYS} days of history. A log of 120 days or more is needed."
        )
    return [validation], tests


def _read(path: Path) -> pd.DataFrame:
    raw = read_file(path, LOG_COLUMNS)
    unknown = ~raw["behavior"].isin(EVENT_TYPES)
    if unknown.any():
        raise ContractError(
            f"file {path}, column behavior: {int(unknown.sum())} value(s) other than {EVENT_TYPES}, "
            f"such as {sorted(map(str, raw.loc[unknown, 'behavior'].unique()))[:3]}."
        )
    ts = whole_numbers(raw, "ts", path)
    outside = (ts < _SECONDS[0]) | (ts >= _SECONDS[1])
    if outside.any():
        raise ContractError(
            f"file {path}, column ts: {int(outside.sum())} value(s) are no seconds since 1970, "
            f"such as {ts[outside][0]}."
        )
    log = pd.DataFrame(
        {
            "user": id_texts(raw, "user_id", path),
            "item": id_texts(raw, "item_id", path),
            "behavior": raw["behavior"],
            "ts": ts,
            "event_ts": pd.to_datetime(ts, unit="s", utc=True),
        }
    ).drop_duplicates(ignore_index=True)
    if not (log["behavior"] == "order").any():
        raise DataError(f"file {path} holds no order; orders are what is judged.")
    return log
