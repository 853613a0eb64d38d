"""The catalogue of a store: SKUs, part types, prices, what may be recommended, and what fits which vehicle.

What belongs here: products as they truly are. What does not: how the source tables disfigure them (raw_catalogue.py).
Shape letters: P products, K platforms, V year/make/models, T part types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

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
    kit_names, season, types, type_kit, type_price = _parts()
    n_P = size.products
    n_service = len(SERVICE_SKUS)
    n_plain = n_P - n_service
    commodity_T = np.array([is_commodity(t) for t in types])
    common_T = np.where(commodity_T, 0.6, 1.0) * np.exp(0.4 * rng.standard_normal(len(types)))
    type_P = weighted_picks(rng, common_T, n_plain)
    price_P = _prices(type_price[type_P], rng)
    base_P = np.arange(n_plain)
    colours = np.flatnonzero(quota(rng, n_plain, 0.08))
    plain = np.setdiff1d(base_P, colours)
    base_P[colours] = plain[rng.permutation(len(plain))[: len(colours)]]
    type_P, price_P = type_P[base_P], np.where(base_P == np.arange(n_plain), price_P, price_P[base_P])
    kit_P = type_kit[type_P]
    unknown = quota(rng, n_plain, 0.025)[base_P]
    price_P = np.where(unknown & (rng.random(n_plain) < 0.15)[base_P], 3000.0 + 0.5 * price_P, price_P)
    type_P = np.where(unknown, len(types), type_P)
    ids = _skus(kit_P, kit_names, base_P, colours, rng)

    order = np.argsort(np.concatenate([ids, SERVICE_SKUS]).astype(str), kind="stable")
    place = np.empty(n_P, dtype=np.int64)
    place[order] = np.arange(n_P)

    def arranged(plain_values: NDArray, service_value: object) -> NDArray:
        return np.concatenate([plain_values, np.full(n_service, service_value, dtype=plain_values.dtype)])[order]

    home = _fitment_plan(size, garage, base_P, rng)
    fits = _fitment(garage, home)
    fits = sparse.csr_matrix((fits[2], (fits[0], place[fits[1]])), shape=(len(garage.vehicle_ids), n_P))
    fits.sort_indices()
    launch = np.full(n_P, moment(STREAM_START) - 900 * DAY)
    if launches:
        fresh = quota(rng, n_P, 0.06)
        launch[fresh] = moment(STREAM_START) + (rng.random(fresh.sum()) * (DATA_END - moment(STREAM_START))).astype(int)
    price = arranged(price_P, 149.0)
    refurbished, service = arranged(quota(rng, n_plain, 0.03), False), arranged(np.zeros(n_plain, bool), True)
    image = weighted_picks(rng, np.array([0.55, 0.25, 0.17, 0.03]), n_P)
    seen = ~quota(rng, n_P, 0.03)
    type_sorted = arranged(type_P, len(types))
    commodity = np.append(commodity_T, False)[type_sorted]
    untyped = (type_sorted == len(types)) & (price < 3000)
    barred = refurbished | service | commodity | untyped | (price < 50) | (image == IMAGE_NONE) | ~seen
    base_all = place[np.concatenate([base_P, np.arange(n_plain, n_P)])][order]
    return Catalogue(
        product_ids=np.concatenate([ids, np.array(SERVICE_SKUS, dtype=object)])[order],
        part_types=np.append(types, UNKNOWN).astype(object),
        type_P=type_sorted,
        kit_P=arranged(kit_P, -1),
        kit_names=kit_names,
        season_kit=season,
        price_P=price,
        refurbished_P=refurbished,
        service_P=service,
        universal_P=np.asarray(fits.sum(axis=0)).ravel() == 0,
        image_P=image,
        seen_P=seen,
        base_P=base_all,
        launch_P=launch,
        eligible_P=~barred,
        fits_VP=fits,
    )


def is_commodity(part_type: str) -> bool:
    """Whether a part type names a consumable that no e-mail leads with."""
    lower = part_type.lower()
    return COMMODITY.search(lower) is not None and lower not in EXCEPTED


def _parts() -> tuple[tuple[str, ...], Int, NDArray[np.object_], Int, NDArray[np.float64]]:
    kits: list[str] = []
    months: list[int] = []
    types: list[str] = []
    kit_of: list[int] = []
    price: list[float] = []
    for line in PARTS.strip().splitlines():
        kit, month, items = (part.strip() for part in line.split("|"))
        for item in items.split(","):
            name, _, usd = item.strip().rpartition(" ")
            types.append(name)
            kit_of.append(len(kits))
            price.append(float(usd))
        kits.append(kit)
        months.append(int(month))
    return tuple(kits), np.array(months), np.array(types, dtype=object), np.array(kit_of), np.array(price)


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


@dataclass(frozen=True)
class _Plan:
    """Who each plain product is made for."""

    on_PK: Bool
    make_P: Int
    """-1: any make."""
    segment_P: Int
    """-1: any make/model."""
    low_P: NDArray[np.float64]
    high_P: NDArray[np.float64]
    """Window of model years, as shares of the platform's range."""


def _fitment_plan(size: StoreSize, garage: Garage, base_P: Int, rng: np.random.Generator) -> _Plan:
    n_P, n_K = len(base_P), len(garage.platform_names)
    demand_K = np.bincount(garage.platform_V, garage.demand_V, minlength=n_K).astype(np.float64)
    home_P = weighted_picks(rng, demand_K**0.6, n_P)
    kind = weighted_picks(rng, np.array([0.06, 0.10, 0.14, 0.70]), n_P)  # universal, one model, one make, platform
    make_P, segment_P = np.full(n_P, -1), np.full(n_P, -1)
    for k in range(n_K):
        here = np.flatnonzero(garage.platform_V == k)
        chosen = here[weighted_picks(rng, garage.demand_V[here], n_P)]
        make_P = np.where(home_P == k, garage.make_V[chosen], make_P)
        segment_P = np.where((kind == 1) & (home_P == k), garage.segment_V[chosen], segment_P)
    whole = rng.random(n_P) < 0.4
    middle, half = rng.random(n_P), 0.15 + 0.35 * rng.random(n_P)
    low, high = np.where(whole, 0.0, middle - half), np.where(whole, 1.0, middle + half)
    kin_PK = garage.family_K[home_P][:, None] == garage.family_K[None, :]
    ease_PK = rng.random((n_P, n_K)) / np.where(kin_PK, 3.0, 1.0)
    own_PK = home_P[:, None] == np.arange(n_K)[None, :]
    ties_P = rng.random(n_P)
    whole_KM = np.zeros((n_K, garage.n_makes))
    np.add.at(whole_KM, tuple(np.unique([garage.platform_V, garage.make_V, garage.segment_V], axis=1)[:2]), 1.0)
    in_years_P = np.minimum(1.0, 0.15 + np.minimum(high, 1) - np.maximum(low, 0))

    def plan(reach: float) -> tuple[Bool, Bool]:
        one_make = (kind == 2) | ((kind == 3) & (ties_P < -reach))
        on = own_PK | (((kind == 3) & ~one_make)[:, None] & (ease_PK < reach))
        return on & (kind > 0)[:, None], one_make

    def pairs(reach: float) -> float:
        on, one_make = plan(reach)
        broad = np.where(one_make, whole_KM[home_P, make_P], on @ whole_KM.sum(axis=1))
        return float(np.where(kind == 1, 1.0, in_years_P * broad)[kind > 0].sum())

    # How far platform parts reach is solved for, so that the store has the pairs it should have: above 0 they reach
    # into other platforms, below 0 a share of them is made for one make only.
    narrow, wide = -1.0, 1.0
    for _ in range(20):
        reach = (narrow + wide) / 2
        narrow, wide = (reach, wide) if pairs(reach) < size.fitment_pairs else (narrow, reach)
    on, one_make = plan(wide)
    b = base_P
    make_P = np.where(one_make, make_P, -1)
    return _Plan(on[b], make_P[b], segment_P[b], low[b], high[b])


def _fitment(garage: Garage, plan: _Plan) -> tuple[Int, Int, NDArray[np.float32]]:
    """Pairs (vehicle, plain product), platform by platform."""
    vehicles, products = [], []
    for k in range(len(garage.platform_names)):
        v, p = np.flatnonzero(garage.platform_V == k), np.flatnonzero(plan.on_PK[:, k])
        year = garage.year_V[v].astype(float)
        at = (year - year.min()) / max(1.0, year.max() - year.min())
        fit = (at[:, None] >= plan.low_P[p][None, :]) & (at[:, None] <= plan.high_P[p][None, :])
        fit &= (plan.make_P[p][None, :] < 0) | (plan.make_P[p][None, :] == garage.make_V[v][:, None])
        fit &= (plan.segment_P[p][None, :] < 0) | (plan.segment_P[p][None, :] == garage.segment_V[v][:, None])
        rows, columns = np.nonzero(fit)
        vehicles.append(v[rows])
        products.append(p[columns])
    r, c = np.concatenate(vehicles), np.concatenate(products)
    return r, c, np.ones(len(r), dtype=np.float32)
