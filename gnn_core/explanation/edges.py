"""The typed edges behind each kind of reason: the path as data.

What belongs here: one template a path. What does not: which path a row takes (choose.py). The view
sql/publishing/recommendation_paths.sql fills the same templates; a test holds the two together.

Other people and their vehicles are nodes without an id: a customer's reason must not name another customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gnn_core.errors import ContractError

USER, VEHICLE, PRODUCT, VIA = "user", "vehicle", "product", "via"
OTHER_USER, OTHER_VEHICLE = "other user", "other vehicle"
_COLUMN = {USER: "user_id", VEHICLE: "vehicle_id", PRODUCT: "product_id", VIA: "reason_product_id"}
_TYPE = {VIA: PRODUCT, OTHER_USER: USER, OTHER_VEHICLE: VEHICLE}
EVENT = "event"
"""Stands for the row's `reason_event`: viewed, carted or ordered."""

OWNS, FITS = (USER, "owns", VEHICLE), (VEHICLE, "rev_fits", PRODUCT)
"""Of every row, and of every row but a universal product's."""
TEMPLATES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "own": ((USER, EVENT, PRODUCT),),
    "bought_together": ((USER, EVENT, VIA), (VIA, "co_purchased", PRODUCT)),
    "taken_together": ((USER, EVENT, VIA), (VIA, "rev_interacts", OTHER_USER), (OTHER_USER, "interacts", PRODUCT)),
    "owners": ((VEHICLE, "rev_owns", OTHER_USER), (OTHER_USER, "interacts", PRODUCT)),
    "other_owners": (
        (PRODUCT, "fits", OTHER_VEHICLE),
        (OTHER_VEHICLE, "rev_owns", OTHER_USER),
        (OTHER_USER, "interacts", PRODUCT),
    ),
    "fits": (),
    "universal": (),
}
"""Beside OWNS and FITS. `rev_owns` is at make/model: owners of any year."""


@dataclass(frozen=True)
class Edge:
    """One step of a path; an id is None where it stands for other people or their vehicles."""

    source_type: str
    source_id: str | None
    edge: str
    target_type: str
    target_id: str | None


def path_edges(row: Mapping[str, object]) -> list[Edge]:
    """The typed edges behind the reason of a row of `recommendations`.

    Raises:
        ContractError: the row names a path that is not known.
    """
    path = row["reason_path"]
    if path not in TEMPLATES:
        raise ContractError(f"reason_path {path!r} is none of {', '.join(TEMPLATES)}")
    fits = (FITS,) if row["fitment_proof"] == "fitment" else ()
    return [
        Edge(
            _TYPE.get(source, source),
            _id(row, source),
            str(row["reason_event"]) if edge == EVENT else edge,
            _TYPE.get(target, target),
            _id(row, target),
        )
        for source, edge, target in (OWNS, *fits, *TEMPLATES[str(path)])
    ]


def _id(row: Mapping[str, object], node: str) -> str | None:
    return str(row[_COLUMN[node]]) if node in _COLUMN else None
