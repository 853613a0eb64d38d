"""Item attributes as a catalogue: vehicles, makes, part types, fitment and the model years of the cold protocol.

What belongs here: what an attribute stands for. What does not: users and orders (sequences.py).

An attribute with 50 to 500 products is a vehicle; the larger attribute that covers most of its products is its make.

**The first item is no candidate**, although it fits: it defined what the user owns. No event may say so, for a cold
user has none, so the model year says it. Year 2000 of an attribute fits all its products; year 2000 + k fits all but
the k-th product (by product id), and owners whose first item is that product own that year. Fitment is enforced on
year/make/model, so the first item is never a candidate; counts and scores are by make/model and do not see the year.

Shape letters: U owners, P products, A attributes, S vehicle attributes, M makes, V model years, O ownership pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.errors import DataError
from gnn_core.snapshot import Int
from gnn_core.stores.public import tables as shared

ATTRIBUTE_COLUMNS = ("item_id", "attr_id")
VEHICLE_PRODUCTS = (50, 500)
"""An attribute with this many products, bounds included, is a vehicle."""
PART_TYPE_MIN_PRODUCTS = 5
PLAIN_YEAR = 2000


@dataclass(frozen=True)
class Catalogue:
    """Products in permuted order, and what is a vehicle."""

    item_P: Int
    """Item number in the file of each product; the position is the permuted one."""
    attr_S: Int
    make_S: NDArray[np.object_]
    fits_SP: sparse.csr_matrix
    part_type_P: NDArray[np.object_]

    @property
    def model_S(self) -> NDArray[np.object_]:
        """Model name of each vehicle."""
        return np.array([f"a{a}" for a in self.attr_S], dtype=object)


def build_catalogue(items_bought: pd.Series, pairs: pd.DataFrame, attributes: Path) -> Catalogue:
    """Permute the products and tell vehicles, makes and part types from each other.

    Args:
        items_bought: item of every purchase. pairs: distinct (item_id, attr_id). attributes: their file, for errors.
    Raises:
        DataError: no attribute is a vehicle.
    """
    items = np.union1d(items_bought, pairs["item_id"])
    code = shared.permuted_codes(len(items))
    item_P = np.empty(len(items), dtype=np.int64)
    item_P[code] = items
    attrs, attr_codes = np.unique(pairs["attr_id"], return_inverse=True)
    product = code[np.searchsorted(items, pairs["item_id"])]
    has_AP = sparse.csr_matrix((np.ones(len(pairs)), (attr_codes, product)), shape=(len(attrs), len(items)))
    size_A = np.diff(has_AP.indptr)
    low, high = VEHICLE_PRODUCTS
    vehicle_A = (size_A >= low) & (size_A <= high)
    if not vehicle_A.any():
        raise DataError(f"file {attributes}: no attribute has {low} to {high} products, so nothing can be a vehicle.")
    make_A = (size_A > high) & (size_A < len(items) / 2)
    fits_SP = has_AP[vehicle_A]
    fits_SP.sort_indices()
    return Catalogue(
        item_P=item_P,
        attr_S=attrs[vehicle_A],
        make_S=_makes(fits_SP, has_AP[make_A], attrs[make_A]),
        fits_SP=fits_SP,
        part_type_P=part_types(product, attr_codes, size_A, attrs, len(items)),
    )


def _makes(fits_SP: sparse.csr_matrix, has_MP: sparse.csr_matrix, attr_M: Int) -> NDArray[np.object_]:
    """The make that covers most of a vehicle's products (the lower attribute wins a tie), or `other` if none does."""
    if len(attr_M) == 0:
        return np.full(fits_SP.shape[0], "other", dtype=object)
    covered_SM = (fits_SP @ has_MP.T).toarray()
    labels = np.array([f"m{a}" for a in attr_M], dtype=object)
    return np.where(covered_SM.max(axis=1) > 0, labels[covered_SM.argmax(axis=1)], "other")


def part_types(product: Int, attr_codes: Int, size_A: Int, attrs: Int, n_P: int) -> NDArray[np.object_]:
    """The rarest attribute with enough products (the lower one wins a tie); products without one fit no vehicle."""
    enough = size_A[attr_codes] >= PART_TYPE_MIN_PRODUCTS
    product, attr_codes = product[enough], attr_codes[enough]
    order = np.lexsort((attr_codes, size_A[attr_codes], product))
    found, first = np.unique(product[order], return_index=True)
    part_type_P = np.full(n_P, "No attribute", dtype=object)
    part_type_P[found] = [f"Attribute {a}" for a in attrs[attr_codes[order][first]]]
    return part_type_P


def build_model_years(first_U: Int, catalogue: Catalogue) -> tuple[pd.DataFrame, pd.DataFrame, pa.Table]:
    """Vehicles, ownership and fitment, by the rule at the top of this module.

    Args:
        first_U: (U,) product index of each owner's first item.
    Returns:
        Contract rows of vehicles; of ownership, with `owner` (index into U) instead of a user id; of fitment.
    """
    fits_SP = catalogue.fits_SP
    size_S = np.diff(fits_SP.indptr)
    place = sparse.csr_matrix((np.arange(fits_SP.nnz) + 1, fits_SP.indices, fits_SP.indptr), shape=fits_SP.shape)
    firsts_UP = place.T.tocsr()[first_U].tocoo()
    segment_O = firsts_UP.col.astype(np.int64)
    year_O = PLAIN_YEAR + firsts_UP.data - fits_SP.indptr[segment_O]

    plain = pd.DataFrame({"segment": np.arange(len(size_S)), "year": PLAIN_YEAR})
    owned = pd.DataFrame({"segment": segment_O, "year": year_O})
    years = pd.concat([plain, owned]).drop_duplicates().sort_values(["segment", "year"], ignore_index=True)
    segment_V, year_V = years["segment"].to_numpy(), years["year"].to_numpy()
    make_V, model_V = catalogue.make_S[segment_V], catalogue.model_S[segment_V]
    vehicles = pd.DataFrame({"year": year_V, "make": make_V, "model": model_V})
    vehicles["segment_id"] = vehicles["make"] + "|" + vehicles["model"]
    vehicles["vehicle_id"] = vehicles["year"].astype(str) + "|" + vehicles["segment_id"]
    vehicle_O = pd.MultiIndex.from_frame(years).get_indexer(pd.MultiIndex.from_frame(owned))
    ownership = pd.DataFrame(
        {"owner": firsts_UP.row, "vehicle_id": vehicles["vehicle_id"].to_numpy()[vehicle_O]},
    )

    vehicle = np.repeat(np.arange(len(years)), size_S[segment_V])
    nth = np.arange(len(vehicle)) - np.repeat(np.cumsum(size_S[segment_V]) - size_S[segment_V], size_S[segment_V])
    product = fits_SP.indices[fits_SP.indptr[segment_V[vehicle]] + nth]
    fits = nth + 1 != (year_V - PLAIN_YEAR)[vehicle]
    ids_P = pa.array(shared.product_ids(len(catalogue.item_P)))
    columns = {
        "product_id": ids_P.take(pa.array(product[fits])),
        "vehicle_id": pa.array(vehicles["vehicle_id"]).take(pa.array(vehicle[fits])),
    }
    return vehicles, ownership, pa.table(columns)
