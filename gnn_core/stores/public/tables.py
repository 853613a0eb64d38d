"""What every public store shares: permuted product ids, contract tables with named stand-ins, the profile.

What belongs here: pieces that do not depend on the kind of file. What does not: reading (reading.py), the protocols
themselves (sequences.py, behaviour_log.py, invoices.py).

The files come from shops of sports goods, cosmetics or gifts, and none holds a price in USD above the floor of the
programme, an image or a car: what stands in for these is listed in `store.stand_ins` of the profile.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.contracts import CONTRACTS, conform
from gnn_core.snapshot import Int

HORIZON_DAYS = 30
"""Length of every held-out window of the protocols."""
STAND_IN_PRICE_USD = 100.0
"""Above the floor of 50 USD, so that no product is lost to a price that the file does not know."""
PERMUTATION_SEED = 20_240_501
"""One permutation for all cold shares and split seeds: a product keeps its id when only the split changes."""
USER_FLOOR_SHARE = 0.9
"""Share of the users that a publish must reach; 450,000 of the programme's 504,000."""


@dataclass(frozen=True)
class PublicStore:
    """A public data set as a store."""

    tables: dict[str, pa.Table]
    """Every contract table, by name; those that the data set knows nothing of are empty."""
    profile: dict[str, dict[str, Any]]
    """Overlay for `load_settings`: windows, what counts as positive, stand-ins."""


def permuted_codes(n: int) -> Int:
    """(n,) a fixed permutation: new position of each source product in sorted order.

    The sources number products in order of first sale, so that the number tells the popularity; ties are broken by
    product id, and would leak it.
    """
    return np.random.default_rng(PERMUTATION_SEED).permutation(n)


def product_ids(n: int) -> NDArray[np.object_]:
    """(n,) ids P00000, P00001 …: sorted, of one width, and ending in a digit (no colour variant)."""
    width = max(5, len(str(n - 1)))
    return np.array([f"P{i:0{width}d}" for i in range(n)], dtype=object)


def user_ids(users: Int) -> NDArray[np.object_]:
    """Ids of users that the source numbers: U00001 …, of one width."""
    width = len(str(users.max()))
    return np.array([f"U{u:0{width}d}" for u in users], dtype=object)


def single_orders(user_E: NDArray[np.object_], product_E: NDArray[np.object_], ts_E: Int) -> pd.DataFrame:
    """Contract rows of events in which every item is an order of its own: for files without baskets.

    Args:
        user_E, product_E: ids. ts_E: UTC microseconds since 1970.
    """
    return pd.DataFrame(
        {
            "user_id": user_E,
            "product_id": product_E,
            "event_type": "order",
            "event_ts": pd.to_datetime(ts_E, unit="us", utc=True),
            "order_id": pd.Series(user_E, dtype=object) + "-" + pd.Series(product_E, dtype=object),
            "quantity": 1,
            "price": None,
        }
    )


def users_frame(user_ids: Sequence[str] | NDArray[np.object_]) -> pd.DataFrame:
    """Contract rows of users; consent is a stand-in."""
    return pd.DataFrame({"user_id": user_ids, "email_consent": True, "registered_at": pd.NaT})


def products_frame(
    ids: NDArray[np.object_],
    names: Sequence[str] | NDArray[np.object_],
    part_types: Sequence[str] | NDArray[np.object_],
    universal_P: NDArray[np.bool_] | bool = False,
) -> pd.DataFrame:
    """Contract rows of products; price and image are stand-ins."""
    return pd.DataFrame(
        {
            "product_id": ids,
            "name": names,
            "part_type": part_types,
            "price": STAND_IN_PRICE_USD,
            "is_universal": universal_P,
            "is_refurbished": False,
            "image_url": [f"https://images.invalid/{i}.jpg" for i in ids],
            "product_url": None,
            "base_product_id": ids,
        }
    )


def one_vehicle_for_all(user_ids: NDArray[np.object_], ids: NDArray[np.object_]) -> dict[str, pd.DataFrame]:
    """Vehicles, ownership and fitment of a shop without cars: one vehicle fits everything and everyone owns it."""
    vehicle = {"vehicle_id": "2000|any|any", "year": 2000, "make": "any", "model": "any", "segment_id": "any|any"}
    return {
        "vehicles": pd.DataFrame([vehicle]),
        "ownership": pd.DataFrame({"user_id": user_ids, "vehicle_id": vehicle["vehicle_id"]}),
        "fitment": pd.DataFrame({"product_id": ids, "vehicle_id": vehicle["vehicle_id"]}),
    }


def contract_tables(frames: Mapping[str, pd.DataFrame | pa.Table]) -> dict[str, pa.Table]:
    """Arrow tables of every contract, sorted by their columns in contract order; empty where no frame is given."""
    tables = {}
    for name, contract in CONTRACTS.items():
        rows = frames.get(name, contract.schema.empty_table())
        if isinstance(rows, pd.DataFrame):
            rows = pa.Table.from_pandas(rows[contract.column_names], preserve_index=False)
        table = conform(name, rows)
        tables[name] = table.sort_by([(column, "ascending") for column in contract.key or contract.column_names])
    return tables


def monday_from(day: dt.date) -> dt.date:
    """The first Monday on or after a day."""
    return day + dt.timedelta(days=-day.weekday() % 7)


def as_of_date(tests: Sequence[dt.date]) -> dt.date:
    """The store's only as-of date (exclusive): the first Monday on or after the end of the last test window."""
    return monday_from(max(tests) + dt.timedelta(days=HORIZON_DAYS))


def store_profile(
    name: str,
    *,
    validation: Sequence[dt.date],
    tests: Sequence[dt.date],
    stride_days: int,
    first_event: dt.date,
    n_users: int,
    warm: bool,
    new_products_only: bool,
    stand_ins: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """The overlay for `load_settings`; dates as ISO text, so that it writes to YAML and JSON alike.

    Args:
        name: name of the store in reports.
        validation, tests: cutoffs; each opens a window of HORIZON_DAYS.
        stride_days: distance of the cutoffs; only described, since they are explicit.
        first_event: day of the first event, from which the SQL baseline's event window runs.
        n_users: users of the store.
        warm: True: users need history, and each cut refits on what came before it. False: cold users are judged,
            and nothing after the first validation cutoff is training data.
        new_products_only: products ordered before are neither candidates nor positives.
        stand_ins: phrases for the report.
    """
    week = as_of_date(tests) - dt.timedelta(days=7)
    return {
        "store": {
            "name": name,
            "tables": "contract",
            "first_week": week.isoformat(),
            "last_week": week.isoformat(),
            "stand_ins": list(stand_ins),
        },
        "sources": {"event_stream_start": first_event.isoformat()},
        "split": {
            "horizon_days": HORIZON_DAYS,
            "stride_days": stride_days,
            "validation_cuts": len(validation),
            "test_cuts": len(tests),
            "refit_at_test_cutoff": warm,
            "explicit_validation_cutoffs": [d.isoformat() for d in sorted(validation)],
            "explicit_test_cutoffs": [d.isoformat() for d in sorted(tests)],
        },
        "evaluation": {
            "positive_events": ["order"],
            "new_products_only": new_products_only,
            "require_history": warm,
        },
        "publish": {"min_users": max(1, int(USER_FLOOR_SHARE * n_users))},
    }
