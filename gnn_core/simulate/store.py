"""A whole simulated store: source tables as a retailer has them, beside the truth behind them.

What belongs here: putting the parts together, loading the tables, the store's config overlay. What does not: any draw.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from gnn_core.config import Settings
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.simulate.choice import Demand, build_demand
from gnn_core.simulate.ledger import Ledger, joined
from gnn_core.simulate.mail import mail_tables
from gnn_core.simulate.measure import Share, measure_shares
from gnn_core.simulate.people import Visits, build_people, build_visits
from gnn_core.simulate.planting import Planted, plant
from gnn_core.simulate.products import build_catalogue
from gnn_core.simulate.raw_catalogue import catalogue_table, fitment_table
from gnn_core.simulate.raw_events import events_table
from gnn_core.simulate.raw_orders import historical_orders
from gnn_core.simulate.raw_users import name_people, user_attributes
from gnn_core.simulate.shopping import PHASES, Planter, Shop, shop
from gnn_core.simulate.sizes import STORE_END, STREAM_START, TEST_START, StoreSize, size_of
from gnn_core.simulate.streams import Streams
from gnn_core.simulate.truth import Truth
from gnn_core.simulate.vehicles import build_garage
from gnn_core.simulate.visitors import browse_as_visitor, guest_orders, n_without_vehicle
from gnn_core.simulate.worlds import World

SOURCES = ("user_attributes", "events", "orders", "fitment", "catalogue", "sends", "engagements")
"""Keys of the config section `sources` that name a table."""


@dataclass(frozen=True)
class RawStore:
    """Source tables by their key in the config section `sources`, and what is known to be true."""

    size: StoreSize
    seed: int
    world: World
    tables: Mapping[str, pa.Table]
    truth: Truth
    long_value_share: float

    def shares(self) -> list[Share]:
        """What the real store is known for: aimed against reached."""
        return measure_shares(self.truth, self.long_value_share)


def simulate(size: str | StoreSize, *, seed: int, world: World | None = None) -> RawStore:
    """Draw a store. The same size, seed and world give the same bytes.

    Args:
        size: `tiny`, `trial`, `small`, `full`, or a size of your own.
        seed: 0 or more.
        world: `World.default()` unless given.
    Raises:
        ConfigError: the size is unknown.
        DataError: a planted structure asks for more lift than the history supports.
    """
    size, world, streams = size_of(size), world or World.default(), Streams(seed)
    garage = build_garage(size, streams)
    catalogue = build_catalogue(size, garage, streams, launches=world.planted is None)
    demand = build_demand(size, garage, catalogue, world, streams)
    if world.planted:
        demand = _only_eligible(demand, catalogue.eligible_P)
    people = build_people(size, garage, len(catalogue.kit_names), world, streams)
    visits = build_visits(size, streams)
    store = Shop(size, world, garage, catalogue, people, demand)
    planted: list[Planted] = []
    ledger, mailed = shop(store, visits, streams, _planter(store, visits, planted) if world.planted else None)
    visitors = browse_as_visitor(size, catalogue, demand, int(ledger.order_E.max()) + 1, streams)
    guests = guest_orders(size, garage, demand, streams)
    names = name_people(size.users + n_without_vehicle(size), streams)
    attributes, long_share = user_attributes(people, garage, names, streams)
    sends, engagements = mail_tables(size, people, mailed, names.user_ids, streams)
    tables = {
        "user_attributes": attributes,
        "events": events_table(joined([ledger, visitors]), catalogue, names.user_ids, streams),
        "orders": historical_orders(ledger, guests, catalogue, names.emails, size.users, streams),
        "fitment": fitment_table(catalogue, garage, streams),
        "catalogue": catalogue_table(catalogue, streams),
        "sends": sends,
        "engagements": engagements,
    }
    truth = Truth(
        shop=store,
        ledger=ledger,
        visitors=visitors,
        user_ids=names.user_ids[: size.users],
        window_utility_VP=planted[-1].utility_VP if planted else demand.utility_VP,
        structure_weight=planted[-1].weight if planted else None,
    )
    return RawStore(size, seed, world, tables, truth, long_share)


def _planter(store: Shop, visits: Visits, planted: list[Planted]) -> Planter:
    """Plants each window when its turn comes, and keeps what was planted."""

    def utilities(so_far: Ledger, start: int) -> sparse.csr_matrix:
        vehicles_U3 = store.people.vehicles_U3
        now = visits.between(start, PHASES[PHASES.index(start) + 1])
        audience_V = np.bincount(vehicles_U3[now.user_N, 0], minlength=len(store.garage.vehicle_ids))
        # The test window is the one that is judged; the shorter history of the other may support less.
        strict = start == TEST_START
        planted.append(plant(store.world, so_far, vehicles_U3, audience_V, store.garage, store.demand, strict=strict))
        return planted[-1].utility_VP

    return utilities


def _only_eligible(demand: Demand, eligible_P: np.ndarray) -> Demand:
    """Planted worlds: only what may be recommended is ever wanted, so that every positive is a candidate."""
    pairs = demand.utility_VP.tocoo()
    keep = eligible_P[pairs.col]
    utility = sparse.csr_matrix((pairs.data[keep], (pairs.row[keep], pairs.col[keep])), shape=pairs.shape)
    utility.sort_indices()
    return replace(demand, utility_VP=utility)


def write_raw(store: RawStore, warehouse: Warehouse, settings: Settings) -> dict[str, int]:
    """Load every source table into the source dataset under its configured name; rows by table name.

    Each table is replaced whole; a crash between two tables is repaired by calling again.
    """
    dataset = settings.warehouse.source_dataset
    warehouse.ensure_dataset(dataset)
    rows = {}
    for source in SOURCES:
        target = TableName(dataset, getattr(settings.sources, source))
        warehouse.load(target, store.tables[source])
        rows[str(target)] = store.tables[source].num_rows
    return rows


def store_profile(size: str | StoreSize, seed: int) -> dict[str, Any]:
    """Config overlay of a simulated store: its name, its weeks, and a floor of users that suits its size."""
    chosen = size_of(size)
    return {
        "store": {
            "name": f"simulated_{chosen.name}_{seed}",
            "tables": "raw",
            "first_week": STREAM_START.isoformat(),
            "last_week": (STORE_END - dt.timedelta(days=7)).isoformat(),
            "stand_ins": [],
        },
        "publish": {"min_users": chosen.min_users},
    }
