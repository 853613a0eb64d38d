"""What a product node and a vehicle node know of themselves.

What belongs here: numeric node features and their scaling. What does not: learned embeddings (model/).

Shape letters: P products, S segments (make/model).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.snapshot import ORDER, Int, Snapshot

PRODUCT_FEATURES = ("log_price", "price_missing", "log_orders", "log_interest", "log_fitment_breadth")
VEHICLE_FEATURES = ("log_owners", "log_fitting_products")


@dataclass(frozen=True)
class PriceFeature:
    """Log price with gaps filled; does not depend on events."""

    log_price_P: NDArray[np.float64]
    missing_P: NDArray[np.bool_]


def price_feature(price_P: NDArray[np.float64], part_type_P: Int) -> PriceFeature:
    """log(1 + USD); a missing price takes the median of its part type, else of the catalogue, else 0."""
    log_price = np.log1p(price_P)
    missing = np.isnan(log_price)
    if missing.all():
        return PriceFeature(np.zeros_like(log_price), missing)
    known = ~missing
    filled = np.where(missing, np.median(log_price[known]), log_price)
    order = np.lexsort((log_price[known], part_type_P[known]))
    types, first, n = np.unique(part_type_P[known][order], return_index=True, return_counts=True)
    ascending = log_price[known][order]
    medians = (ascending[first + (n - 1) // 2] + ascending[first + n // 2]) / 2
    at = np.minimum(np.searchsorted(types, part_type_P), len(types) - 1)
    same_type = types[at] == part_type_P
    return PriceFeature(np.where(missing & same_type, medians[at], filled), missing)


def orders_per_product(train: Snapshot) -> Int:
    """(P,) order rows of each product in the snapshot: the popularity of the bias log(orders + ½)."""
    of_orders = train.events.product_E[train.events.kind_E == ORDER]
    return np.bincount(of_orders, minlength=len(train.product_ids)).astype(np.int64)


def product_features(
    price: PriceFeature, orders_P: Int, interest_P: NDArray[np.float64], fits_SP: sparse.csr_matrix
) -> NDArray[np.float32]:
    """(P, 5) columns of PRODUCT_FEATURES, each scaled to mean 0 and deviation 1 (a constant column becomes 0).

    Args:
        price: filled prices.
        orders_P: orders before the cutoff.
        interest_P: sum of the decayed weights of all events of the product: what is wanted now.
        fits_SP: bool fitment; breadth is the number of segments a product fits.
    """
    breadth_P = np.bincount(fits_SP.indices, minlength=fits_SP.shape[1])
    columns = (price.log_price_P, price.missing_P, np.log1p(orders_P), np.log1p(interest_P), np.log1p(breadth_P))
    return _standardised(columns)


def vehicle_features(owners_S: NDArray[np.float64], fits_SP: sparse.csr_matrix) -> NDArray[np.float32]:
    """(S, 2) columns of VEHICLE_FEATURES, scaled as products are. Owners include users without events."""
    return _standardised((np.log1p(owners_S), np.log1p(np.diff(fits_SP.indptr))))


def _standardised(columns: tuple[NDArray, ...]) -> NDArray[np.float32]:
    table = np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)
    if not len(table):
        return table.astype(np.float32)
    deviation = table.std(axis=0)
    scaled = (table - table.mean(axis=0)) / np.where(deviation > 1e-9, deviation, 1.0)
    return scaled.astype(np.float32)
