"""Which product is made for which vehicles.

What belongs here: homes of products among platforms, how far they reach, the fitting pairs. What does not: prices,
types and SKUs (products.py).
Shape letters: P plain products (service SKUs fit nothing), K platforms, M makes, V year/make/models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnn_core.simulate.sizes import StoreSize
from gnn_core.simulate.streams import weighted_picks
from gnn_core.simulate.vehicles import Garage

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class FitmentPlan:
    """Who each plain product is made for."""

    on_PK: Bool
    make_P: Int
    """-1: any make."""
    segment_P: Int
    """-1: any make/model."""
    low_P: NDArray[np.float64]
    high_P: NDArray[np.float64]
    """Window of model years, as shares of the platform's range."""


def plan_fitment(size: StoreSize, garage: Garage, base_P: Int, rng: np.random.Generator) -> FitmentPlan:
    """Draw homes and reaches such that the store has about `size.fitment_pairs`; a colour fits what its base fits."""
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
    return FitmentPlan(on[b], make_P[b], segment_P[b], low[b], high[b])


def fitment_pairs(garage: Garage, plan: FitmentPlan) -> tuple[Int, Int]:
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
    return np.concatenate(vehicles), np.concatenate(products)
