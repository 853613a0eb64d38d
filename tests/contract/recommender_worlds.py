"""Stores whose answer is known: for some users, products that must outrank others, and why anything could know.

Each world has one signal and no other: whoever does not claim to read it can only be as good as popularity there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gnn_core.snapshot import Snapshot
from tests.core.builders import make_tables

CARS = [f"{1960 + i}|make{i % 2}|model{i}" for i in range(4)]
N_PRODUCTS = 20
PRODUCTS = [f"P{i:02}" for i in range(N_PRODUCTS)]


@dataclass(frozen=True)
class World:
    """Contract tables, and for each asked user the product indices that are right and those that are wrong."""

    tables: dict[str, pd.DataFrame]
    answers: Mapping[str, tuple[list[int], list[int]]]

    def right_share(self, scores_AP: np.ndarray, row_U: np.ndarray, train: Snapshot) -> float:
        """How often a right product outscores a wrong one, ties half; the mean over the asked users."""
        shares = []
        for user, (right, wrong) in self.answers.items():
            scores = scores_AP[row_U[list(train.user_ids).index(user)]]
            difference = scores[right][:, None] - scores[wrong][None, :]
            shares.append(((difference > 0) + 0.5 * (difference == 0)).mean())
        return float(np.mean(shares))


def vehicle_world() -> World:
    """Everything fits everyone; owners of car b order products 5b … 5b + 4. `new*` are cold."""
    owns = {f"u{b}_{i:02}": [CARS[b]] for b in range(4) for i in range(10)}
    owns |= {f"new{b}": [CARS[b]] for b in range(4)} | {"two": [CARS[1], CARS[2]], "none": []}
    events = [
        (f"u{b}_{i:02}", PRODUCTS[5 * b + j], "order", f"2026-04-{i + 1:02}", f"o{b}{i}{j}")
        for b in range(4)
        for i in range(10)
        for j in range(5)
        if i < 10 - j
    ]
    answers = {
        f"new{b}": ([5 * b + j for j in range(5)], [p for p in range(N_PRODUCTS) if p // 5 != b]) for b in range(4)
    }
    return World(make_tables(owns=owns, fits=dict.fromkeys(PRODUCTS, CARS), events=events), answers)


def item_world() -> World:
    """All own one car. User i ordered every product of its parity but product i: a checkerboard."""
    owns = {f"u{i:02}": [CARS[0]] for i in range(N_PRODUCTS)}
    events = [
        (f"u{i:02}", PRODUCTS[j], "order", "2026-05-01", f"o{i}_{j}")
        for i in range(N_PRODUCTS)
        for j in range(N_PRODUCTS)
        if i % 2 == j % 2 and i != j
    ]
    answers = {f"u{i:02}": ([i], [j for j in range(N_PRODUCTS) if i % 2 != j % 2]) for i in range(N_PRODUCTS)}
    return World(make_tables(owns=owns, fits={p: [CARS[0]] for p in PRODUCTS}, events=events), answers)


def part_type_world() -> World:
    """Eight cars of two makes: cars c and c + 4 want part type c, and each is never seen with one product of it.

    Car 0 lacks product 0 of its type, which only owners of car 4, of the other make, order; the products 0 of the other
    types sell as often, to that make too. So counts of the car, of its make and of the product all tie, and only the
    part type (or who else buys it) tells.
    """
    cars = [f"2000|brand{c // 4}|model{c}" for c in range(8)]
    owns = {f"u{c}_{i:02}": [cars[c]] for c in range(8) for i in range(10)} | {f"new{c}": [cars[c]] for c in range(8)}
    events = [
        (f"u{c}_{i:02}", PRODUCTS[5 * (c % 4) + j], "order", f"2026-05-{i + 1:02}", f"o{c}_{i}_{j}")
        for c in range(8)
        for i in range(10)
        for j in range(5)
        if j != c // 4
    ]
    answers = {f"new{c}": ([5 * (c % 4) + c // 4], [5 * t + c // 4 for t in range(4) if t != c % 4]) for c in range(8)}
    types = {p: {"part_type": f"Type {i // 5}"} for i, p in enumerate(PRODUCTS)}
    tables = make_tables(owns=owns, fits=dict.fromkeys(PRODUCTS, cars), products=types, events=events)
    return World(tables, answers)


def best_seller_world() -> World:
    """Nobody of the new car's make ever ordered; product 13 sells most elsewhere, product 4 comes second."""
    owns = {f"u{i:02}": [CARS[1]] for i in range(12)} | {"new": [CARS[0]]}
    events = [(f"u{i:02}", PRODUCTS[13], "order", "2026-05-01", f"a{i}") for i in range(12)]
    events += [(f"u{i:02}", PRODUCTS[4], "order", "2026-05-02", f"b{i}") for i in range(7)]
    rest = [p for p in range(N_PRODUCTS) if p not in (4, 13)]
    answers = {"new": ([4, 13], rest)}
    return World(make_tables(owns=owns, fits=dict.fromkeys(PRODUCTS, CARS[:2]), events=events), answers)


WORLDS = {
    "vehicle": vehicle_world,
    "item": item_world,
    "part_type": part_type_world,
    "best_seller": best_seller_world,
}
