"""How a customer chooses among what fits: the utilities of a world, and draws from the softmax over them.

What belongs here: utilities and draws. What does not: when and how often customers choose (shopping.py).
Shape letters: V year/make/models, P products, K platforms, T part types, D draws, N choice rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.simulate.people import People
from gnn_core.simulate.products import Catalogue
from gnn_core.simulate.sizes import DAY, HISTORY_START, StoreSize, moment
from gnn_core.simulate.streams import Streams
from gnn_core.simulate.vehicles import Garage
from gnn_core.simulate.worlds import World

Int = NDArray[np.int64]
Float = NDArray[np.float64]
MONTHS = 28
SHIFT = 64.0
"""Added to utilities in sparse matrices, so that a stored utility is never 0 and a larger one wins a maximum."""
_ENTRIES = 4_000_000
"""Ragged entries of one chunk of draws: about 100 MB."""


@dataclass(frozen=True)
class Demand:
    """What customers want, before their own taste."""

    utility_VP: sparse.csr_matrix
    """Utility + SHIFT of every product that fits a vehicle; nothing stored elsewhere."""
    calendar_MP: NDArray[np.float32]
    """Season, drift and availability by month since `HISTORY_START` (30.4 days each); -inf before the launch."""
    appeal_P: Float
    platform_KP: NDArray[np.float32]
    log_price_P: Float
    """Standardised."""
    kit_P: Int


def month_of(ts: Int) -> Int:
    """Row of `calendar_MP`."""
    return np.clip((ts - moment(HISTORY_START)) // int(30.4 * DAY), 0, MONTHS - 1)


def build_demand(size: StoreSize, garage: Garage, catalogue: Catalogue, world: World, streams: Streams) -> Demand:
    """Draw the effects of a world and add them up over the fitment pairs."""
    rng = streams("demand")
    n_P, n_T = len(catalogue.product_ids), len(catalogue.part_types)
    log_price = np.log(catalogue.price_P)
    log_price = (log_price - log_price.mean()) / log_price.std()
    appeal = world.appeal * size.appeal_spread * rng.standard_normal(n_P)
    appeal += 0.4 * world.appeal * rng.standard_normal(n_T)[catalogue.type_P] - 0.2 * log_price
    appeal[~catalogue.seen_P | catalogue.service_P] = -12.0

    def effect(groups: int, strength: float) -> NDArray[np.float32]:
        """Half of the variance belongs to the part type: an engine family wants carburetors, then this carburetor."""
        by_type = rng.standard_normal((groups, n_T), dtype=np.float32)[:, catalogue.type_P]
        return np.float32(strength * np.sqrt(0.5)) * (by_type + rng.standard_normal((groups, n_P), dtype=np.float32))

    platform_KP, make_MP = effect(len(garage.platform_names), world.platform), effect(garage.n_makes, world.make)
    segment_SR = rng.standard_normal((garage.n_segments, 3), dtype=np.float32)
    product_PR = rng.standard_normal((n_P, 3), dtype=np.float32)
    fits = catalogue.fits_VP
    v, p = np.repeat(np.arange(fits.shape[0]), np.diff(fits.indptr)), fits.indices
    utility = SHIFT + appeal[p] + platform_KP[garage.platform_V[v], p] + make_MP[garage.make_V[v], p]
    for r in range(3):
        utility += world.segment / np.sqrt(3) * segment_SR[garage.segment_V[v], r] * product_PR[p, r]
    return Demand(
        utility_VP=sparse.csr_matrix((utility.astype(np.float32), fits.indices, fits.indptr), shape=fits.shape),
        calendar_MP=_calendar(catalogue, world, rng),
        appeal_P=appeal,
        platform_KP=platform_KP,
        log_price_P=log_price,
        kit_P=catalogue.kit_P,
    )


def _calendar(catalogue: Catalogue, world: World, rng: np.random.Generator) -> NDArray[np.float32]:
    n_P = len(catalogue.product_ids)
    month = np.arange(MONTHS)
    peak = np.where(catalogue.kit_P >= 0, catalogue.season_kit[catalogue.kit_P], 6)
    season = world.season * np.cos(2 * np.pi * (month[:, None] + 0.5 - (peak - 1)[None, :]) / 12)
    steps = rng.standard_normal((MONTHS, n_P)) * world.drift / np.sqrt(12)
    walk = np.cumsum(steps, axis=0)
    start = moment(HISTORY_START) + month * int(30.4 * DAY)
    table = season + walk - walk.mean(axis=0)
    # A launch within a month counts from the next one: nothing may be bought before it is on sale.
    table[start[:, None] < catalogue.launch_P[None, :]] = -np.inf
    return table.astype(np.float32)


def choice_rows(utility_VP: sparse.csr_matrix, people: People, users: Int) -> sparse.csr_matrix:
    """(N, P) what each user may choose from: the union over their vehicles, the best utility where several fit."""
    vehicles = people.vehicles_U3[users]
    rows = utility_VP[vehicles[:, 0]]
    for slot in (1, 2):
        who = np.flatnonzero(vehicles[:, slot] >= 0)
        if len(who):
            pick = sparse.csr_matrix(
                (np.ones(len(who), dtype=np.float32), (who, vehicles[who, slot])),
                shape=(len(users), utility_VP.shape[0]),
            )
            rows = rows.maximum(pick @ utility_VP)
    rows = sparse.csr_matrix(rows)
    rows.sort_indices()
    return rows


@dataclass(frozen=True)
class Draws:
    """What varies from one draw to the next, each (D,)."""

    row: Int
    """Row of the choice matrix."""
    month: Int
    favourite: Int
    """Kit that gets `world.taste` on top; -1 for none."""
    thrift: Float
    kit: Int
    """Kit that gets `kit_bonus` on top; -1 for none."""
    kit_bonus: float = 0.0

    def take(self, index: NDArray) -> Draws:
        """The draws at a mask or index array."""
        return Draws(
            self.row[index], self.month[index], self.favourite[index], self.thrift[index], self.kit[index],
            self.kit_bonus,
        )  # fmt: skip


def draw(rng: np.random.Generator, rows_NP: sparse.csr_matrix, draws: Draws, demand: Demand, taste: float) -> Int:
    """(D,) one product per draw from the softmax of its utilities, -1 where nothing can be had.

    The Gumbel trick: the largest of utility + Gumbel noise has the softmax distribution. Works on ragged arrays, a few
    million entries at a time.
    """
    lengths = np.diff(rows_NP.indptr)[draws.row].astype(np.int64)
    chosen = np.full(len(draws.row), -1, dtype=np.int64)
    bounds = np.searchsorted(np.cumsum(lengths), np.arange(0, lengths.sum() + _ENTRIES, _ENTRIES))
    for start, stop in zip(bounds, np.append(bounds[1:], len(lengths)), strict=True):
        if stop > start:
            part = draws.take(np.arange(start, stop))
            chosen[start:stop] = _draw_chunk(rng, rows_NP, part, lengths[start:stop], demand, taste)
    return chosen


def _draw_chunk(
    rng: np.random.Generator, rows_NP: sparse.csr_matrix, draws: Draws, lengths: Int, demand: Demand, taste: float
) -> Int:
    ends = np.cumsum(lengths)
    begins = ends - lengths
    entry = np.repeat(rows_NP.indptr[draws.row] - begins, lengths) + np.arange(ends[-1] if len(ends) else 0)
    p = rows_NP.indices[entry]
    value = rows_NP.data[entry] + demand.calendar_MP[np.repeat(draws.month, lengths), p]
    kit = demand.kit_P[p]
    if taste > 0:
        value += np.float32(taste) * (kit == np.repeat(draws.favourite, lengths))
        value += np.repeat(draws.thrift, lengths).astype(np.float32) * demand.log_price_P[p].astype(np.float32)
    if draws.kit_bonus > 0:
        value += np.float32(draws.kit_bonus) * (kit == np.repeat(draws.kit, lengths))
    value -= np.log(np.maximum(rng.standard_exponential(len(value), dtype=np.float32), np.float32(1e-30)))
    out = np.full(len(lengths), -1, dtype=np.int64)
    some = np.flatnonzero(lengths > 0)
    if len(some) == 0:
        return out
    best = np.maximum.reduceat(value, begins[some])
    owner = np.repeat(np.arange(len(some)), lengths[some])
    at = np.flatnonzero(value == best[owner])
    first = np.unique(owner[at], return_index=True)[1]
    out[some] = np.where(np.isfinite(best), p[at[first]], -1)
    return out
