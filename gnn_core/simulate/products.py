"""The catalogue of a store: SKUs, part types, prices, what may be recommended, and what fits which vehicle.

What belongs here: products as they truly are. What does not: which vehicles they are made for (fits.py), how the source
tables disfigure them (raw_catalogue.py).
Shape letters: P products, K platforms, V year/make/models, T part types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.simulate.fits import fitment_pairs, plan_fitment
from gnn_core.simulate.part_list import PARTS
from gnn_core.simulate.sizes import DATA_END, DAY, STREAM_START, StoreSize, moment
from gnn_core.simulate.streams import Streams, quota, weighted_picks
from gnn_core.simulate.vehicles import Garage

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
IMAGE_HTTPS, IMAGE_CDN, IMAGE_HTTP, IMAGE_NONE = range(4)
COMMODITY = re.compile(r"\b(gasket|decal|key|washer|clamp|bolt|cap)\b")
EXCEPTED = {"engine cylinder head bolt", "engine bolt kit", "distributor cap", "wheel hub cap", "wheel cap set"}
SERVICE_SKUS = ("EXT-WARR-1Y", "EXT-WARR-3Y", "GIFT-25", "GIFT-100", "GIFT-250", "WARRANTY-PLUS", "SERVICE-INSTALL",
                "SERVICE-TUNE", "PREAUTH-1", "PREAUTH-2")  # fmt: skip
UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Catalogue:
    """Products sorted by SKU, so that positions agree with a snapshot's and a tie by position is a tie by id."""

    product_ids: NDArray[np.object_]
    part_types: NDArray[np.object_]
    """(T,) names; the last is UNKNOWN."""
    type_P: Int
    kit_P: Int
    kit_names: tuple[str, ...]
    season_kit: Int
    """Month (1–12) of peak demand of each kit."""
    price_P: NDArray[np.float64]
    refurbished_P: Bool
    service_P: Bool
    universal_P: Bool
    image_P: Int
    seen_P: Bool
    """False: no event ever shows it, so nobody knows its price."""
    base_P: Int
    """Position of the product that it is a colour of; itself otherwise."""
    launch_P: Int
    """UTC microseconds; products launched after the stream started have no order before."""
    eligible_P: Bool
    """What eligibility comes to when every event has been seen."""
    fits_VP: sparse.csr_matrix


def build_catalogue(size: StoreSize, garage: Garage, streams: Streams, *, launches: bool) -> Catalogue:
    """Draw products and their fitment. `launches` False: everything is on sale from the first day."""
    rng = streams("products")
    parts = _parts()
    n_P, n_service = size.products, len(SERVICE_SKUS)
    n_plain, n_T = n_P - n_service, len(parts.types)
    plain = _plain_products(n_plain, parts, rng)
    order = np.argsort(np.concatenate([plain.ids, SERVICE_SKUS]).astype(str), kind="stable")
    place = np.empty(n_P, dtype=np.int64)
    place[order] = np.arange(n_P)

    def arranged(plain_values: NDArray, service_value: object) -> NDArray:
        return np.concatenate([plain_values, np.full(n_service, service_value, dtype=plain_values.dtype)])[order]

    vehicle, product = fitment_pairs(garage, plan_fitment(size, garage, plain.base_P, rng))
    ones = np.ones(len(vehicle), dtype=np.float32)
    fits = sparse.csr_matrix((ones, (vehicle, place[product])), shape=(len(garage.vehicle_ids), n_P))
    fits.sort_indices()
    launch = np.full(n_P, moment(STREAM_START) - 900 * DAY)
    if launches:
        fresh = quota(rng, n_P, 0.06)
        launch[fresh] = moment(STREAM_START) + (rng.random(fresh.sum()) * (DATA_END - moment(STREAM_START))).astype(int)
    price, type_P = arranged(plain.price_P, 149.0), arranged(plain.type_P, n_T)
    refurbished, service = arranged(quota(rng, n_plain, 0.03), False), arranged(np.zeros(n_plain, bool), True)
    image, seen = weighted_picks(rng, np.array([0.55, 0.25, 0.17, 0.03]), n_P), ~quota(rng, n_P, 0.03)
    barred = refurbished | service | (price < 50) | (image == IMAGE_NONE) | ~seen
    barred |= np.array([*(is_commodity(t) for t in parts.types), False])[type_P] | ((type_P == n_T) & (price < 3000))
    return Catalogue(
        product_ids=np.concatenate([plain.ids, np.array(SERVICE_SKUS, dtype=object)])[order],
        part_types=np.append(parts.types, UNKNOWN).astype(object),
        type_P=type_P,
        kit_P=arranged(plain.kit_P, -1),
        kit_names=parts.kits,
        season_kit=parts.season,
        price_P=price,
        refurbished_P=refurbished,
        service_P=service,
        universal_P=np.asarray(fits.sum(axis=0)).ravel() == 0,
        image_P=image,
        seen_P=seen,
        base_P=place[np.concatenate([plain.base_P, np.arange(n_plain, n_P)])][order],
        launch_P=launch,
        eligible_P=~barred,
        fits_VP=fits,
    )


@dataclass(frozen=True)
class _Plain:
    """Products other than service SKUs, in the order in which they are drawn."""

    ids: NDArray[np.object_]
    type_P: Int
    kit_P: Int
    price_P: NDArray[np.float64]
    base_P: Int


def _plain_products(n_P: int, parts: _Parts, rng: np.random.Generator) -> _Plain:
    n_T = len(parts.types)
    commodity_T = np.array([is_commodity(t) for t in parts.types])
    common_T = np.where(commodity_T, 0.6, 1.0) * np.exp(0.4 * rng.standard_normal(n_T))
    type_P = weighted_picks(rng, common_T, n_P)
    price_P = _prices(parts.price[type_P], rng)
    base_P = np.arange(n_P)
    colours = np.flatnonzero(quota(rng, n_P, 0.08))
    single = np.setdiff1d(base_P, colours)
    base_P[colours] = single[rng.permutation(len(single))[: len(colours)]]
    type_P, price_P = type_P[base_P], price_P[base_P]
    kit_P = parts.kit_of[type_P]
    unknown = quota(rng, n_P, 0.025)[base_P]
    price_P = np.where(unknown & (rng.random(n_P) < 0.15)[base_P], 3000.0 + 0.5 * price_P, price_P)
    ids = _skus(kit_P, parts.kits, base_P, colours, rng)
    return _Plain(ids, np.where(unknown, n_T, type_P), kit_P, price_P, base_P)


def is_commodity(part_type: str) -> bool:
    """Whether a part type names a consumable that no e-mail leads with."""
    lower = part_type.lower()
    return COMMODITY.search(lower) is not None and lower not in EXCEPTED


@dataclass(frozen=True)
class _Parts:
    """The list of part types, and the kit of each."""

    kits: tuple[str, ...]
    season: Int
    types: NDArray[np.object_]
    kit_of: Int
    price: NDArray[np.float64]


def _parts() -> _Parts:
    kits: list[str] = []
    months: list[int] = []
    rows: list[tuple[str, int, float]] = []
    for line in PARTS.strip().splitlines():
        kit, month, items = (part.strip() for part in line.split("|"))
        for item in items.split(","):
            name, _, usd = item.strip().rpartition(" ")
            rows.append((name, len(kits), float(usd)))
        kits.append(kit)
        months.append(int(month))
    types, kit_of, price = zip(*rows, strict=True)
    return _Parts(
        tuple(kits), np.array(months), np.array(types, dtype=object), np.array(kit_of), np.array(price, dtype=float)
    )


def _prices(median_P: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    price = median_P * np.exp(0.45 * rng.standard_normal(len(median_P)))
    ends = rng.choice(np.array([0.95, 0.99, 0.0]), len(price), p=[0.6, 0.3, 0.1])
    price = np.maximum(np.floor(price), 4.0) + ends
    # Prices move by a percent; none may cross the floor of 50 USD on the way, or eligibility would depend on the day.
    return np.where((price > 49.4) & (price < 50.6), 52.95, price)


def _skus(
    kit_P: Int, kits: tuple[str, ...], base_P: Int, colours: Int, rng: np.random.Generator
) -> NDArray[np.object_]:
    """Such as INDU-104233; a colour ends in B, R, G or P after the digits of its base."""
    prefixes = np.array([kit[:4].upper().strip() + "-" for kit in kits], dtype=object)
    numbers = rng.permutation(9 * len(kit_P))[: len(kit_P)] + 1000
    ids = prefixes[kit_P] + numbers.astype(str).astype(object)
    letter = np.array(["B", "R", "G", "P"], dtype=object)[rng.integers(0, 4, len(colours))]
    ids[colours] = ids[base_P[colours]] + letter
    return ids
