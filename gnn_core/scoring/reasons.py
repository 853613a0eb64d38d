"""Why a product stands in a list, in words a reader of the e-mail understands; only from edges that exist.

What belongs here: texts. What does not: which vehicle a product is shown for (rows.py), which path is told
(explanation/choose.py). A path is told, not a cause: "often bought with", never "because".

Shape letters: A audience rows, K slots, V vehicles.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from gnn_core.explanation.choose import BOUGHT, OTHERS, OWN, OWNERS, TAKEN, Reasons
from gnn_core.snapshot import CART, ORDER, VIEW, Int, Snapshot

UNIVERSAL_REASON = "Universal part, made for any vehicle"
_SHORT_WORD = 3
"""Words up to this length are acronyms in this trade (GMC, BMW, GTO, SS), save those in _PLAIN."""
_PLAIN = frozenset({"kia", "ram", "geo", "fox", "van", "fit", "neo", "rio", "soul", "and", "new", "mini", "car"})
_OWN_EVENT = {VIEW: "you looked at it", CART: "you put it in your cart", ORDER: "you have ordered it before"}
_KNOWN_BY = {VIEW: "you looked at", CART: "you put in your cart", ORDER: "you ordered"}
_NO_TYPE = frozenset({"", "UNKNOWN"})


def reason_texts(
    reasons: Reasons, product_AK: Int, vehicle_AK: Int, universal_AK: NDArray[np.bool_], train: Snapshot
) -> tuple[list[str], Int]:
    """The distinct texts of the lists, and which of them each cell has, (A, K), −1 where there is no product."""
    listed = np.nonzero(reasons.path_AK >= 0)
    via_N = reasons.via_AK[listed]
    type_N = np.where(via_N >= 0, train.part_type_P[np.maximum(via_N, 0)], -1)
    same_N = type_N == train.part_type_P[product_AK[listed]]
    key = np.stack(
        [reasons.path_AK[listed], reasons.event_AK[listed], type_N, same_N, vehicle_AK[listed], universal_AK[listed]]
    )
    distinct, text_N = np.unique(key, axis=1, return_inverse=True)
    vehicles, owners = vehicle_names(train), segment_names(train)[train.segment_V]
    texts = []
    for path, event, part_type, same, vehicle, universal in distinct.T.tolist():
        start = UNIVERSAL_REASON if universal else f"Fits your {vehicles[vehicle]}"
        what = "" if part_type < 0 else ("other " if same else "") + _part_name(train.part_types[part_type])
        told = _path_text(path, event, what, owners[vehicle])
        texts.append(f"{start}; {told}" if told else start)
    text_AK = np.full(reasons.path_AK.shape, -1, dtype=np.int64)
    text_AK[listed] = text_N.ravel()
    return texts, text_AK


def _path_text(path: int, event: int, via: str, owners: str) -> str:
    if path == OWN:
        return _OWN_EVENT[event]
    if path == BOUGHT:
        return f"often bought with the {via} {_KNOWN_BY[event]}"
    if path == TAKEN:
        return f"also of interest to people interested in the {via} {_KNOWN_BY[event]}"
    if path == OWNERS:
        return f"popular with {owners} owners"
    return "popular with owners of other vehicles it fits" if path == OTHERS else ""


def _part_name(part_type: str) -> str:
    return "part" if part_type in _NO_TYPE else " ".join(w if w.isupper() else w.lower() for w in part_type.split())


def vehicle_names(train: Snapshot) -> NDArray[np.object_]:
    """(V,) display names; ids are lower case, so capitals are restored by rule."""
    segments = segment_names(train)
    return np.array(
        [f"{year} {segments[s]}" for year, s in zip(train.year_V, train.segment_V, strict=True)], dtype=object
    )


def segment_names(train: Snapshot) -> NDArray[np.object_]:
    """(S,) display names of makes and models."""
    return np.array(
        [" ".join(_capital(w) for w in re.split(r"[|\s]+", s) if w) for s in train.segment_ids], dtype=object
    )


def _capital(word: str) -> str:
    if any(c.isdigit() for c in word) or (len(word) <= _SHORT_WORD and word not in _PLAIN):
        return word.upper()
    return "-".join(part[:1].upper() + part[1:] for part in word.split("-"))
