"""Contract tables of small stores, loaded as a week of the work dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from gnn_core.config import Settings
from gnn_core.contracts import CONTRACTS
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.stores import WeekTables
from tests.core.builders import make_tables
from tests.core.staging.raw_store import SETTINGS, WEEK

CUTOFF = np.datetime64("2026-05-02", "us")
PART_TYPES = ("Carburetor", "Wheel", "Camshaft", "Oil Gasket", "UNKNOWN")


def load_week(warehouse: Warehouse, tables: Mapping[str, pd.DataFrame], week: WeekTables = WEEK) -> Warehouse:
    """Write contract frames as the week's tables."""
    warehouse.ensure_dataset(week.dataset)
    for name, frame in tables.items():
        rows = pa.Table.from_pandas(frame, schema=CONTRACTS[name].schema, preserve_index=False)
        warehouse.load(week.table(name), rows)
    return warehouse


def rows_of(warehouse: Warehouse, table: TableName, *columns: str) -> list[tuple]:
    """Rows as tuples of `columns`, sorted."""
    read = warehouse.read(table)
    return sorted(zip(*(read[c].to_pylist() for c in columns), strict=True), key=repr)


def with_settings(settings: Settings = SETTINGS, **sections: Mapping[str, Any]) -> Settings:
    """Settings with some values of some sections changed."""
    return replace(settings, **{name: replace(getattr(settings, name), **change) for name, change in sections.items()})


def random_store(seed: int) -> dict[str, pd.DataFrame]:
    """Forty users with one to three of nine cars, sixty products with variants, ineligible ones and universals.

    Order numbers are shared by several products and sometimes missing; many scores tie.
    """
    rng = np.random.default_rng(seed)
    cars = [f"{2000 + y}|make{m % 2}|model{m}" for m in range(3) for y in range(3)]
    bases = [f"P{i:02}-{i % 7}" for i in range(40)]
    skus = [*bases, *(f"{b}{rng.choice(list('BRG'))}" for b in bases[:20])]
    universal = set(rng.choice(skus, 8, replace=False))
    # The last cars are poor in parts: some lists come out short, some are too little to recommend for.
    rate = dict(zip(cars, [0.5] * 6 + [0.12] * 2 + [0.04], strict=True))
    fits = {sku: [] if sku in universal else [c for c in cars if rng.random() < rate[c]] for sku in skus}
    fits = {sku: (cs or ([] if sku in universal else [cars[0]])) for sku, cs in fits.items()}
    products = {
        sku: {
            "part_type": str(rng.choice(PART_TYPES, p=[0.6, 0.2, 0.1, 0.05, 0.05])),
            "price": float(rng.choice([20.0, 60.0, 100.0, 4000.0], p=[0.1, 0.4, 0.4, 0.1])),
            "is_refurbished": bool(rng.random() < 0.05),
            "base_product_id": sku[:5],
            "image_url": None if rng.random() < 0.05 else f"https://cdn.example/{sku}.jpg",
        }
        for sku in skus
    }
    users = [f"u{i:02}" for i in range(40)]
    owns = {u: list(rng.choice(cars, rng.integers(1, 4), replace=False)) for u in users}
    popular = rng.dirichlet(np.full(len(skus), 0.3))
    events = []
    for u in users[:25]:
        for n in range(rng.integers(1, 8)):
            day = pd.Timestamp("2025-03-01") + pd.Timedelta(days=int(rng.integers(0, 450)))
            kind = str(rng.choice(["view", "cart", "order"], p=[0.3, 0.2, 0.5]))
            order = None if kind != "order" or rng.random() < 0.2 else f"o-{u}-{n}"
            basket = rng.choice(skus, rng.integers(1, 4), replace=False, p=popular / popular.sum() * 0.9 + 0.1 / 60)
            events += [(u, str(sku), kind, str(day), order) for sku in basket]
    return make_tables(owns=owns, fits=fits, products=products, events=events, no_consent=users[::5])


def heavy_buyers(seed: int) -> dict[str, pd.DataFrame]:
    """Twenty users of four cars who bought, or looked at, much of what fits; most base products have one part type.

    Popularity falls along the catalogue, and purchases crowd where it is high: lists reach far down, past full part
    types.
    """
    rng = np.random.default_rng([seed, 99])
    cars = [f"{2000 + y}|make{m}|model" for m in range(2) for y in range(2)]
    bases = [f"P{i:02}-{i % 7}" for i in range(40)]
    type_of = dict(zip(bases, rng.choice(["Carburetor", "Wheel", "Camshaft", "Piston"], len(bases)), strict=True))
    skus = [*bases, *(f"{b}{rng.choice(list('BRG'))}" for b in bases[::2])]
    mixed = set(rng.choice(bases, 4, replace=False))
    universal = set(rng.choice(skus, 6, replace=False))
    fits = {sku: [] if sku in universal else [c for c in cars if rng.random() < 0.7] for sku in skus}
    fits = {sku: on or ([] if sku in universal else [cars[0]]) for sku, on in fits.items()}
    products = {
        sku: {
            "part_type": str(rng.choice(["Carburetor", "Wheel"])) if sku[:5] in mixed else type_of[sku[:5]],
            "base_product_id": sku[:5],
        }
        for sku in skus
    }
    users = [f"u{i:02}" for i in range(20)]
    owns = {u: list(rng.choice(cars, rng.integers(1, 4), replace=False)) for u in users}
    popular = np.exp(-np.arange(len(skus)) / 15)
    events = []
    for u in users[:16]:
        n_bought, n_seen = rng.integers(0, 30), rng.integers(0, 12)
        bought = rng.choice(skus, n_bought, replace=False, p=popular / popular.sum())
        seen = rng.choice(skus, n_seen, replace=False)
        events += [(u, str(sku), "order", "2026-03-01", f"{u}{sku}") for sku in bought]
        events += [(u, str(sku), str(rng.choice(["view", "cart"])), "2026-04-01") for sku in seen]
    return make_tables(owns=owns, fits=fits, products=products, events=events)
