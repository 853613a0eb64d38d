"""The last-item protocol: of each user's sequence the last item is judged, the one before it validates.

What belongs here: sequences (and, where there are any, item attributes) → contract tables with stand-in dates. What
does not: ranking and figures (benchmark/), the cold protocol on the same files (sequences.py).

Positions become dates counted from the *end* of each sequence, one window of 30 days an item: everybody's last item
lies in the test window, everybody's second to last in the validation window; the order within a user is the real one.
One vehicle that fits everything and that everyone owns stands in for fitment. An attribute is a vehicle that nobody
owns: what a graph may learn about products from attributes stands where it always stands, in fitment.
"""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from gnn_core.errors import DataError
from gnn_core.snapshot import Int, micros
from gnn_core.stores.public import tables as shared
from gnn_core.stores.public.attributes import ATTRIBUTE_COLUMNS, PLAIN_YEAR, part_types
from gnn_core.stores.public.reading import read_file, whole_numbers
from gnn_core.stores.public.sequences import (
    SEQUENCE_COLUMNS,
    TEST_CUTOFF,
    VALIDATION_CUTOFF,
)

MIN_ITEMS = 3
"""One to train on, one that validates, one that is judged."""
PART_TYPE_BUCKETS = 100

_log = logging.getLogger(__name__)


def load_last_item(name: str, sequences: Path, attributes: Path | None = None) -> shared.PublicStore:
    """Read sequences as a store whose windows hold everybody's last two items.

    Args:
        name: of the store in reports.
        sequences: (user_id, item_id, pos) in order of purchase; an item that a user has twice counts where it came
            first. attributes: (item_id, attr_id), or None where the file knows none.
    Raises:
        ContractError: a file breaks its shape.
        DataError: a user has fewer than three items.
    """
    bought = read_file(sequences, SEQUENCE_COLUMNS)
    bought = pd.DataFrame({c: whole_numbers(bought, c, sequences) for c in SEQUENCE_COLUMNS})
    bought = bought.sort_values(["user_id", "pos"], kind="stable").drop_duplicates(["user_id", "item_id"])
    short = bought.groupby("user_id").size().lt(MIN_ITEMS)
    if short.any():
        raise DataError(
            f"file {sequences}: {int(short.sum())} user(s) have fewer than {MIN_ITEMS} different items, such as "
            f"{short.index[short].tolist()[:3]}; the last-item protocol needs one to train on, one that validates and "
            "one that is judged. Leave these users out."
        )
    pairs = pd.DataFrame({c: np.zeros(0, dtype=np.int64) for c in ATTRIBUTE_COLUMNS})
    if attributes is not None:
        raw = read_file(attributes, ATTRIBUTE_COLUMNS)
        pairs = pd.DataFrame({c: whole_numbers(raw, c, attributes) for c in ATTRIBUTE_COLUMNS}).drop_duplicates()
    return _store(name, bought, pairs)


def _store(name: str, bought: pd.DataFrame, pairs: pd.DataFrame) -> shared.PublicStore:
    items = np.union1d(bought["item_id"], pairs["item_id"])
    code = shared.permuted_codes(len(items))
    item_P = np.empty(len(items), dtype=np.int64)
    item_P[code] = items
    ids_P = shared.product_ids(len(items))
    users = np.unique(bought["user_id"])
    ids_U = shared.user_ids(users)

    from_end = bought.groupby("user_id").cumcount(ascending=False).to_numpy().astype(np.int64)
    user_E = np.searchsorted(users, bought["user_id"])
    ts_E = micros(TEST_CUTOFF.isoformat()) + (_HALF_WINDOW - 2 * _HALF_WINDOW * from_end)
    events = shared.single_orders(ids_U[user_E], ids_P[code[np.searchsorted(items, bought["item_id"])]], ts_E)
    product = code[np.searchsorted(items, pairs["item_id"])]
    frames = shared.one_vehicle_for_all(ids_U, ids_P)
    frames = _with_attributes(frames, product, pairs["attr_id"].to_numpy(), ids_P)
    _log.info(
        "%s: %d users, %d products, %d items of the last-item protocol", name, len(users), len(items), len(bought)
    )
    return shared.PublicStore(
        tables=shared.contract_tables(
            {
                "users": shared.users_frame(ids_U),
                **frames,
                "products": shared.products_frame(
                    ids_P, [f"Item {i}" for i in item_P], _part_types(product, pairs["attr_id"].to_numpy(), len(items))
                ),
                "events": events,
            }
        ),
        profile=_profile(name, len(users), int(from_end.max())),
    )


_HALF_WINDOW = shared.HORIZON_DAYS * 86_400_000_000 // 2
"""Microseconds: an item lies in the middle of its window."""


def _with_attributes(
    frames: dict[str, pd.DataFrame], product: Int, attr: Int, ids_P: np.ndarray
) -> dict[str, pd.DataFrame]:
    if not len(attr):
        return frames
    model = pd.Series(attr).astype(str).radd("a")
    vehicle_id = f"{PLAIN_YEAR}|attribute|" + model
    vehicles = pd.DataFrame(
        {
            "vehicle_id": vehicle_id,
            "year": PLAIN_YEAR,
            "make": "attribute",
            "model": model,
            "segment_id": "attribute|" + model,
        }
    ).drop_duplicates(ignore_index=True)
    fitment = pd.DataFrame({"product_id": ids_P[product], "vehicle_id": vehicle_id})
    return frames | {
        "vehicles": pd.concat([frames["vehicles"], vehicles], ignore_index=True),
        "fitment": pd.concat([frames["fitment"], fitment], ignore_index=True),
    }


def _part_types(product: Int, attr: Int, n_P: int) -> np.ndarray:
    if not len(attr):
        return np.array([f"Bucket {i % PART_TYPE_BUCKETS:02d}" for i in range(n_P)], dtype=object)
    attrs, codes = np.unique(attr, return_inverse=True)
    return part_types(product, codes, np.bincount(codes), attrs, n_P)


def _profile(name: str, n_users: int, longest: int) -> dict:
    return shared.store_profile(
        name,
        validation=[VALIDATION_CUTOFF],
        tests=[TEST_CUTOFF],
        stride_days=shared.HORIZON_DAYS,
        first_event=TEST_CUTOFF - dt.timedelta(days=shared.HORIZON_DAYS * longest),
        n_users=n_users,
        warm=True,
        new_products_only=True,
        stand_ins=(
            "dates: one window of 30 days an item, counted back from the end of each user's sequence",
            "one vehicle fits everything and everyone owns it; item attributes are vehicles that nobody owns",
            "every item is an order of its own; the file has no baskets",
            f"price {shared.STAND_IN_PRICE_USD:g} USD, image address and e-mail consent",
            "part type is the rarest attribute with at least 5 products, or a random bucket where there are none",
        ),
    )
