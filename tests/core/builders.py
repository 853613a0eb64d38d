"""Tiny stores from literals: the contract tables of a handful of users, vehicles, products and events.

Vehicles are written `year|make|model`; products default to an eligible carburetor; dates are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gnn_core.contracts import CONTRACTS
from gnn_core.snapshot import Snapshot, build_snapshot

AS_OF = np.datetime64("2026-06-01", "us")
PRODUCT: dict[str, Any] = {
    "part_type": "Carburetor",
    "price": 100.0,
    "is_refurbished": False,
    "product_url": None,
}


def make_tables(
    *,
    owns: Mapping[str, Sequence[str]],
    fits: Mapping[str, Sequence[str]],
    events: Sequence[tuple] = (),
    products: Mapping[str, Mapping[str, Any]] | None = None,
    no_consent: Sequence[str] = (),
    vehicles: Sequence[str] = (),
) -> dict[str, pd.DataFrame]:
    """Contract frames of a tiny store.

    Args:
        owns: user → vehicles.
        fits: product → vehicles; no vehicle makes the product universal.
        events: (user, product, kind, date) or (user, product, kind, date, order id).
        products: product → columns that differ from PRODUCT. A product named here alone is universal.
        no_consent: users without e-mail consent.
        vehicles: vehicles that nobody owns and nothing fits.
    """
    changes = products or {}
    product_ids = sorted({*fits, *changes})
    vehicle_ids = sorted({v for vs in (*owns.values(), *fits.values()) for v in vs} | set(vehicles))
    product_rows = [
        {"product_id": p, "name": f"Part {p}", "base_product_id": p, "image_url": f"https://cdn.example/{p}.jpg"}
        | PRODUCT
        | {"is_universal": not fits.get(p)}
        | dict(changes.get(p, {}))
        for p in product_ids
    ]
    event_rows = [(*e, None)[:5] if len(e) == 4 else e for e in events]
    frames = {
        "users": [(u, u not in no_consent, pd.NaT) for u in owns],
        "vehicles": [
            (v, int(v.split("|")[0]), v.split("|")[1], v.split("|")[2], v.split("|", 1)[1]) for v in vehicle_ids
        ],
        "ownership": [(u, v) for u, vs in owns.items() for v in vs],
        "products": [tuple(row[c] for c in CONTRACTS["products"].column_names) for row in product_rows],
        "fitment": [(p, v) for p, vs in fits.items() for v in vs],
        "events": [(u, p, kind, pd.Timestamp(day, tz="UTC"), order, 1, None) for u, p, kind, day, order in event_rows],
        "sends": [],
        "engagements": [],
    }
    return {
        name: CONTRACTS[name].schema.empty_table().to_pandas()
        if not rows
        else pd.DataFrame(rows, columns=CONTRACTS[name].column_names)
        for name, rows in frames.items()
    }


def make_snapshot(*, as_of: np.datetime64 = AS_OF, **store: Any) -> Snapshot:
    """The tiny store of `make_tables`, coded; events at or after `as_of` are left out."""
    return build_snapshot(make_tables(**store), as_of)
