"""Which products may be recommended at all: one rule set for baselines, models and audit.

What belongs here: rules that look at a product alone. What does not: fitment, purchases, part-type caps (candidates.py,
rank.py), or the SQL twin of these rules, which a parity test holds to this file.

Text is matched the way RE2 does it, so that SQL agrees: ASCII word boundaries, ASCII case.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.config import EligibilitySettings
from gnn_core.errors import DataError

NO_PRICE = "no price"
CHEAP = "price below the floor"
REFURBISHED = "refurbished"
SERVICE = "service SKU"
COMMODITY = "commodity part type"
UNKNOWN_TYPE = "unknown part type below its price floor"
NO_IMAGE = "no https image"
REASONS = (NO_PRICE, CHEAP, REFURBISHED, SERVICE, COMMODITY, UNKNOWN_TYPE, NO_IMAGE)
"""In the order in which they are tried; a product carries the first that applies."""


def eligible_products(products: pd.DataFrame, settings: EligibilitySettings) -> pd.DataFrame:
    """Judge every product of the contract frame `products`, in its order and with its index.

    A commodity word counts as a whole word, in any case, with or without a plural "s"; an exception is a whole part
    type, in any case. A price that is null, NaN or infinite is no price.

    Returns:
        Columns `eligible` (bool) and `reason` (str, the first rule that failed; None where eligible).
    """
    part_type = products["part_type"].astype(str).str.strip()
    lowered = part_type.str.lower()
    price = products["price"].to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(invalid="ignore"):
        failed = {
            NO_PRICE: ~np.isfinite(price),
            CHEAP: price < settings.min_price_usd,
            REFURBISHED: products["is_refurbished"].to_numpy(dtype=bool),
            SERVICE: _service(products["product_id"], settings.service_prefixes),
            COMMODITY: _commodity(lowered, settings),
            UNKNOWN_TYPE: (lowered == "unknown").to_numpy() & (price < settings.unknown_part_type_min_price_usd),
            NO_IMAGE: ~products["image_url"].fillna("").astype(str).str.startswith("https://").to_numpy(dtype=bool),
        }
    reason = np.full(len(products), None, dtype=object)
    for name in reversed(REASONS):
        reason[failed[name]] = name
    return pd.DataFrame({"eligible": pd.isna(reason), "reason": reason}, index=products.index)


def eligible_mask(products: pd.DataFrame, settings: EligibilitySettings) -> NDArray[np.bool_]:
    """(P,) the `eligible` column alone; scoring a store in which it is nowhere true is an error.

    Raises:
        DataError: no product passes; names how many fell to which rule.
    """
    judged = eligible_products(products, settings)
    if not judged["eligible"].any():
        counts = judged["reason"].value_counts().to_dict()
        raise DataError(
            f"none of {len(products)} products is eligible: {counts}. Look at prices and images in staging."
        )
    return judged["eligible"].to_numpy(dtype=bool)


def commodity_pattern(words: tuple[str, ...]) -> str:
    """RE2 pattern that a lower-case part type holding one of `words` matches."""
    return rf"\b(?:{'|'.join(re.escape(word.lower()) for word in words)})s?\b"


def _commodity(lowered: pd.Series, settings: EligibilitySettings) -> NDArray[np.bool_]:
    if not settings.commodity_words:
        return np.zeros(len(lowered), dtype=bool)
    pattern = re.compile(commodity_pattern(settings.commodity_words), re.ASCII)
    kept = lowered.isin([e.strip().lower() for e in settings.commodity_exceptions])
    # Part types are few and products many: judge each type once.
    types = {t: bool(pattern.search(t)) for t in lowered.unique()}
    return (lowered.map(types).astype(bool) & ~kept).to_numpy(dtype=bool)


def _service(product_id: pd.Series, prefixes: tuple[str, ...]) -> NDArray[np.bool_]:
    upper = product_id.astype(str).str.upper()
    return upper.str.startswith(tuple(p.upper() for p in prefixes)).to_numpy(dtype=bool)
