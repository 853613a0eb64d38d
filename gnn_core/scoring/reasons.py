"""Why a product stands in a list, in words a reader of the e-mail understands; only from edges that exist.

What belongs here: texts. What does not: which vehicle a product is shown for (rows.py).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from gnn_core.snapshot import Snapshot

UNIVERSAL_REASON = "Universal part, made for any vehicle"
_SHORT_WORD = 3
"""Words up to this length are acronyms in this trade (GMC, BMW, GTO, SS), save those in _PLAIN."""
_PLAIN = frozenset({"kia", "ram", "geo", "fox", "van", "fit", "neo", "rio", "soul", "and", "new", "mini"})


def fits_reasons(train: Snapshot) -> NDArray[np.object_]:
    """(V,) the reason for a product that fits the vehicle, such as "Fits your 1969 Chevrolet Camaro"."""
    return np.array([f"Fits your {name}" for name in vehicle_names(train)], dtype=object)


def vehicle_names(train: Snapshot) -> NDArray[np.object_]:
    """(V,) display names; ids are lower case, so capitals are restored by rule."""
    segments = [" ".join(_capital(w) for w in re.split(r"[|\s]+", s) if w) for s in train.segment_ids]
    return np.array(
        [f"{year} {segments[s]}" for year, s in zip(train.year_V, train.segment_V, strict=True)], dtype=object
    )


def _capital(word: str) -> str:
    if any(c.isdigit() for c in word) or (len(word) <= _SHORT_WORD and word not in _PLAIN):
        return word.upper()
    return "-".join(part[:1].upper() + part[1:] for part in word.split("-"))
