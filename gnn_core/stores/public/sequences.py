"""The cold protocol: item sequences and item attributes → owners, vehicles and orders of a store.

What belongs here: who owns what, who is cold, and which stand-in date an order gets. What does not: which attribute is
a vehicle (attributes.py); how cold users are scored or judged (scoring/, evaluation/: the ordinary pipeline does that).

A user owns the vehicle attributes of their *first* item; the later items are orders. A cold owner's orders all lie in
one held-out window, so that nothing of them can be trained on; known owners' orders all lie before the first window.

Shape letters: U owners, P products, E orders.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.errors import ConfigError, ContractError, DataError
from gnn_core.snapshot import Int, micros
from gnn_core.stores.public import tables as shared
from gnn_core.stores.public.attributes import (
    ATTRIBUTE_COLUMNS,
    PLAIN_YEAR,
    VEHICLE_PRODUCTS,
    Catalogue,
    build_catalogue,
    build_model_years,
)
from gnn_core.stores.public.reading import read_file, whole_numbers

SEQUENCE_COLUMNS = ("user_id", "item_id", "pos")
VALIDATION_SHARE = 0.2
"""Share of the cold owners whose orders lie in the validation window; the others are judged in the test window."""
KNOWN_DAYS = 365
VALIDATION_CUTOFF = dt.date(2024, 5, 2)
TEST_CUTOFF = dt.date(2024, 6, 1)
"""Stand-in dates: two windows of 30 days that end on Monday 2024-07-01, after a year of known orders."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Owners:
    """Users whose first item has a vehicle attribute, and what they bought after it."""

    user_U: Int
    first_U: Int
    user_E: Int
    product_E: Int
    rank_E: Int
    """Position among the later items of the user, from 0."""


def load_sequences(
    name: str, sequences: Path, attributes: Path, *, cold_share: float = 0.9, seed: int = 7
) -> shared.PublicStore:
    """Read a pair of files and lay the cold protocol over them.

    Args:
        name: base name of the pair; the store is called NAME_coldSHARE, since shares are compared with each other.
        sequences: (user_id, item_id, pos) in order of purchase. attributes: (item_id, attr_id).
        cold_share: probability that an owner is cold, in (0, 1).
        seed: of who is cold and who validates. With one seed the cold of a smaller share are cold in a larger one too.
    Raises:
        ConfigError: cold_share is out of range.
        ContractError: a file breaks its shape.
        DataError: no attribute is a vehicle, or no user owns one.
    """
    if not 0 < cold_share < 1:
        raise ConfigError(f"cold_share is {cold_share}; it must lie between 0 and 1, such as 0.9")
    bought, pairs = _read(sequences, attributes)
    catalogue = build_catalogue(bought["item_id"], pairs, attributes)
    owners = _owners(bought, catalogue, sequences)
    vehicles, ownership, fitment = build_model_years(owners.first_U, catalogue)

    rng = np.random.default_rng(seed)
    cold_U = rng.random(len(owners.user_U)) < cold_share
    validates_U = rng.random(len(owners.user_U)) < VALIDATION_SHARE
    ids_P = shared.product_ids(len(catalogue.item_P))
    ids_U = shared.user_ids(owners.user_U)
    events = _orders(owners, cold_U, validates_U, ids_U, ids_P)
    names = [f"Item {item}" for item in catalogue.item_P]
    universal_P = np.asarray(catalogue.fits_SP.sum(axis=0)).ravel() == 0
    _log.info(
        "%s: %d owners (%d known), %d products, %d vehicle attributes, %d orders",
        *(name, len(ids_U), int((~cold_U).sum()), len(ids_P), len(catalogue.attr_S), len(events)),
    )
    return shared.PublicStore(
        tables=shared.contract_tables(
            {
                "users": shared.users_frame(ids_U),
                "vehicles": vehicles,
                "ownership": ownership.assign(user_id=ids_U[ownership["owner"]]),
                "products": shared.products_frame(ids_P, names, catalogue.part_type_P, universal_P),
                "fitment": fitment,
                "events": events,
            }
        ),
        profile=_profile(f"{name}_cold{100 * cold_share:g}", len(ids_U)),
    )


def _read(sequences: Path, attributes: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    bought = read_file(sequences, SEQUENCE_COLUMNS)
    bought = pd.DataFrame({c: whole_numbers(bought, c, sequences) for c in SEQUENCE_COLUMNS})
    twice = bought.drop_duplicates().duplicated(["user_id", "pos"])
    if twice.any():
        example = bought.drop_duplicates()[twice].iloc[0].to_dict()
        raise ContractError(f"file {sequences}: {int(twice.sum())} position(s) hold two items of a user, as {example}.")
    pairs = read_file(attributes, ATTRIBUTE_COLUMNS)
    pairs = pd.DataFrame({c: whole_numbers(pairs, c, attributes) for c in ATTRIBUTE_COLUMNS}).drop_duplicates()
    return bought.sort_values(["user_id", "pos"]).drop_duplicates(["user_id", "item_id"]), pairs


def _owners(bought: pd.DataFrame, catalogue: Catalogue, sequences: Path) -> _Owners:
    by_item = np.argsort(catalogue.item_P)
    product = by_item[np.searchsorted(catalogue.item_P[by_item], bought["item_id"])]
    rank = bought.groupby("user_id").cumcount().to_numpy().astype(np.int64)
    fits_something_P = np.asarray(catalogue.fits_SP.sum(axis=0)).ravel() > 0
    owns = (rank == 0) & fits_something_P[product]
    users = bought["user_id"].to_numpy()
    user_U = users[owns]
    if len(user_U) == 0:
        raise DataError(f"file {sequences}: no user's first item has a vehicle attribute, so nobody owns a vehicle.")
    later = (rank > 0) & np.isin(users, user_U)
    return _Owners(
        user_U=user_U,
        first_U=product[owns],
        user_E=np.searchsorted(user_U, users[later]),
        product_E=product[later],
        rank_E=rank[later] - 1,
    )


def _orders(
    owners: _Owners,
    cold_U: NDArray[np.bool_],
    validates_U: NDArray[np.bool_],
    ids_U: NDArray[np.object_],
    ids_P: NDArray[np.object_],
) -> pd.DataFrame:
    """Every later item as an order of its own, spread evenly and in rank order over the span of its user's role.

    Cold owners without a later item that fits lie in the windows too: they are the unreachable part of the
    denominators.
    """
    day = micros("1970-01-02")
    span_U = np.where(cold_U, shared.HORIZON_DAYS, KNOWN_DAYS) * day
    test, validation = micros(TEST_CUTOFF.isoformat()), micros(VALIDATION_CUTOFF.isoformat())
    start_U = np.where(cold_U, np.where(validates_U, validation, test), validation - KNOWN_DAYS * day)
    n_U = np.bincount(owners.user_E, minlength=len(ids_U))
    user = owners.user_E
    ts_E = start_U[user] + (2 * owners.rank_E + 1) * (span_U[user] // (2 * n_U[user]))
    return pd.DataFrame(
        {
            "user_id": ids_U[user],
            "product_id": ids_P[owners.product_E],
            "event_type": "order",
            "event_ts": pd.to_datetime(ts_E, unit="us", utc=True),
            "order_id": pd.Series(ids_U[user]) + "-" + pd.Series(owners.rank_E + 1).astype(str),
            "quantity": 1,
            "price": None,
        }
    )


def _profile(name: str, n_users: int) -> dict:
    profile = shared.store_profile(
        name,
        validation=[VALIDATION_CUTOFF],
        tests=[TEST_CUTOFF],
        stride_days=(TEST_CUTOFF - VALIDATION_CUTOFF).days,
        first_event=VALIDATION_CUTOFF - dt.timedelta(days=KNOWN_DAYS),
        n_users=n_users,
        warm=False,
        new_products_only=False,
        stand_ins=(
            "vehicles are product attributes with 50 to 500 products; makes are attributes with more",
            "a user owns the vehicle attributes of their first item",
            "model year 2000 + k means: everything of the attribute but its k-th product, the first item of its owners",
            "dates: the order within a user is real; known users' orders are spread over 365 days, cold users' over "
            "their window",
            "every item is an order of its own; the file has no baskets",
            f"price {shared.STAND_IN_PRICE_USD:g} USD, image address and e-mail consent",
            "part type is the rarest attribute with at least 5 products",
        ),
    )
    # Model years run to 2000 + 500 here; elsewhere a year above the next model year is no vehicle.
    profile["sources"]["max_year"] = PLAIN_YEAR + VEHICLE_PRODUCTS[1]
    return profile
