"""Visits become views, carts and orders of products.

What belongs here: what a fitment user looks at, puts in the cart and buys during a visit, phase by phase, because
e-mails and planted worlds depend on what was bought before. What does not: the utilities (choice.py), the visitors
that nobody knows (visitors.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.simulate.cascade import best_k, cascade_scores, user_scores
from gnn_core.simulate.choice import Demand, Draws, choice_rows, draw, month_of
from gnn_core.simulate.ledger import CART, ORDER, VIEW, Ledger, joined
from gnn_core.simulate.people import BROWSE, BUY, FILL_CART, People, Visits
from gnn_core.simulate.products import Catalogue
from gnn_core.simulate.sizes import (
    DATA_END,
    DAY,
    HISTORY_START,
    MAIL_START,
    STREAM_START,
    TEST_START,
    VALIDATION_START,
    StoreSize,
    moment,
)
from gnn_core.simulate.streams import Streams, weighted_picks
from gnn_core.simulate.vehicles import Garage
from gnn_core.simulate.worlds import World

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
MINUTE = 60_000_000
PHASES = (moment(HISTORY_START), moment(STREAM_START), moment(MAIL_START), VALIDATION_START, TEST_START, DATA_END)
_SEEN_BEFORE = 0.12
"""Orders whose products were looked at before; chance and revisits bring the share of such buyers to 15 %."""
_CART_BEFORE_ORDER = 0.5
_BASKET_MORE = 0.6
SLOT_WEIGHTS = np.array([0.4, 0.27, 0.19, 0.14])


@dataclass(frozen=True)
class MailVisits:
    """Visits that follow a click."""

    user: Int
    ts: Int


@dataclass(frozen=True)
class Shop:
    """What stays the same through all phases."""

    size: StoreSize
    world: World
    garage: Garage
    catalogue: Catalogue
    people: People
    demand: Demand

    @property
    def planted(self) -> bool:
        """Whether the last two phases are planted."""
        return self.world.planted is not None


Planter = Callable[[Ledger, int], sparse.csr_matrix]
"""(what happened so far, start of the phase) → utilities of that phase, shaped like `Demand.utility_VP`."""


def shop(store: Shop, visits: Visits, streams: Streams, planter: Planter | None) -> tuple[Ledger, MailVisits]:
    """All interactions of fitment users, and the visits among them that an e-mail brought."""
    so_far = _empty()
    mail_user, mail_ts = [], []
    n_orders = 0
    for number, (start, end) in enumerate(pairwise(PHASES)):
        rng = streams(f"phase-{number}")
        utility = store.demand.utility_VP
        if planter is not None and start >= VALIDATION_START:
            utility = planter(so_far, start)
        now = visits.between(start, end)
        mailed = np.zeros(len(now), dtype=bool)
        if start >= moment(MAIL_START):
            # E-mails bring people to look; no real test of such e-mails has yet shown that they bring orders.
            able = store.people.consent_U[now.user_N] & (now.kind_N == BROWSE)
            mailed = able & (rng.random(len(now)) < store.world.mail_visits / max(1e-9, able.mean()))
        part = _Phase(store, utility, now, start, end, mailed, rng).run(so_far, n_orders)
        n_orders += len(now)
        so_far = joined([so_far, part])
        mail_user.append(now.user_N[mailed])
        mail_ts.append(np.minimum(now.ts_N, end - 90 * MINUTE)[mailed])
    return so_far, MailVisits(np.concatenate(mail_user), np.concatenate(mail_ts))


def _empty() -> Ledger:
    none = np.empty(0, dtype=np.int64)
    return Ledger(none, none, none, none, none, np.empty(0, dtype=bool))


class _Phase:
    """The visits of one phase, drawn together."""

    def __init__(
        self, store: Shop, utility_VP: sparse.csr_matrix, visits: Visits, start: int, end: int, mailed_N: Bool,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.store, self.visits, self.start, self.mailed_N, self.rng = store, visits, start, mailed_N, rng
        # A visit ends within its phase, so that no order slips over a cutoff.
        self.ts_N = np.minimum(visits.ts_N, end - 90 * MINUTE)
        self.historical = start < moment(STREAM_START)
        users, user_row = np.unique(visits.user_N, return_inverse=True)
        elsewhere = np.flatnonzero(rng.random(len(visits)) < store.world.elsewhere)
        vehicles = weighted_picks(rng, store.garage.demand_V, len(elsewhere))
        self.row_N = user_row.astype(np.int64)
        self.row_N[elsewhere] = len(users) + np.arange(len(elsewhere))
        own = choice_rows(utility_VP, store.people, users)
        self.rows = sparse.vstack([own, utility_VP[vehicles]], format="csr") if len(elsewhere) else own

    def run(self, so_far: Ledger, first_order: int) -> Ledger:
        """The phase's part of the ledger."""
        kind_N, n_N = self.visits.kind_N, len(self.visits)
        basket_N, items_N = self._counts()
        seen_N = self.rng.random(n_N) < (0.0 if self.store.planted else _SEEN_BEFORE)
        lead_N = self._leads(so_far, seen_N)
        n = np.repeat(np.arange(n_N), items_N - 1)
        kit = np.where(lead_N >= 0, self.store.catalogue.kit_P[lead_N], -2)
        more = self._draw(n, kit[n], self.store.world.kit)
        visit = np.concatenate([np.arange(n_N), n])
        rank = np.concatenate([np.zeros(n_N, dtype=np.int64), _position_in_group(n) + 1])
        product = np.concatenate([lead_N, more])
        visit, rank, product = _first_of_each(visit[product >= 0], rank[product >= 0], product[product >= 0])
        bought = (kind_N[visit] == BUY) & (rank < basket_N[visit])
        cart_coin_N = self.rng.random(n_N) < _CART_BEFORE_ORDER
        carted = (bought & cart_coin_N[visit]) | ((kind_N[visit] == FILL_CART) & (rank < 2))
        viewed = ~bought | seen_N[visit]
        if self.historical:
            viewed[:], carted[:] = False, False
        return self._rows(visit, rank, product, bought, carted, viewed, first_order)

    def _counts(self) -> tuple[Int, Int]:
        """Products bought and products met with, by visit."""
        kind_N, n_N = self.visits.kind_N, len(self.visits)
        planted = self.store.planted
        basket = np.ones(n_N, dtype=np.int64) if planted else 1 + np.minimum(self.rng.poisson(_BASKET_MORE, n_N), 4)
        mean = self.store.size.events_per_visit
        seen = np.minimum(self.rng.geometric(1.0 / mean, n_N), 24)
        beside = self.rng.poisson(0.35 * mean, n_N)
        if self.historical:
            return basket, basket
        return basket, np.select([kind_N == BROWSE, kind_N == FILL_CART], [seen, 1 + beside], basket + beside)

    def _draw(self, visit: Int, kit: Int, bonus: float) -> Int:
        user = self.visits.user_N[visit]
        people = self.store.people
        draws = Draws(
            self.row_N[visit], month_of(self.ts_N[visit]), people.favourite_U[user], people.thrift_U[user], kit, bonus
        )
        return draw(self.rng, self.rows, draws, self.store.demand, self.store.world.taste)

    def _leads(self, so_far: Ledger, seen_N: Bool) -> Int:
        """What each visit begins with: own choice, something universal, something seen before, or an e-mail's pick."""
        world, rng, n_N = self.store.world, self.rng, len(self.visits)
        lead = self._draw(np.arange(n_N), np.full(n_N, -1), 0.0)
        weight_P = np.exp(self.store.demand.appeal_P) * self.store.catalogue.universal_P
        if world.universal > 0 and weight_P.sum() > 0:
            swap = rng.random(n_N) < world.universal
            lead = np.where(swap, weighted_picks(rng, weight_P, n_N), lead)
        if world.revisit > 0:
            earlier = self._seen_earlier(so_far)
            swap = np.where(self.visits.kind_N == BUY, seen_N, rng.random(n_N) < world.revisit) & (earlier >= 0)
            lead = np.where(swap, earlier, lead)
        if self.mailed_N.any():
            lead[self.mailed_N] = self._mail_leads(so_far, lead[self.mailed_N])
        return lead

    def _seen_earlier(self, so_far: Ledger) -> Int:
        """A product that the user had looked at in an earlier phase, -1 if there is none."""
        views = np.flatnonzero(so_far.kind_E == VIEW)
        views = views[np.argsort(so_far.person_E[views], kind="stable")]
        person = so_far.person_E[views]
        low = np.searchsorted(person, self.visits.user_N, side="left")
        high = np.searchsorted(person, self.visits.user_N, side="right")
        at = low + (self.rng.random(len(low)) * (high - low)).astype(np.int64)
        found = np.full(len(low), -1, dtype=np.int64)
        some = high > low
        found[some] = so_far.product_E[views[at[some]]]
        return found

    def _mail_leads(self, so_far: Ledger, otherwise: Int) -> Int:
        """One of the four products that SQL put into the user's e-mail."""
        store = self.store
        orders = so_far.orders(store.size.users).before(self.start)
        scores = cascade_scores(orders, store.people.vehicles_U3, store.garage, store.catalogue.fits_VP)
        vehicles_N3 = store.people.vehicles_U3[self.visits.user_N[self.mailed_N]]
        slot = weighted_picks(self.rng, SLOT_WEIGHTS, len(vehicles_N3))
        known_P = store.catalogue.eligible_P & (store.catalogue.launch_P <= self.start)
        picks = otherwise.copy()
        for start in range(0, len(vehicles_N3), 512):
            rows = slice(start, start + 512)
            top = best_k(user_scores(scores, vehicles_N3[rows], known_P), 4)
            pick = top[np.arange(len(top)), slot[rows]]
            picks[rows] = np.where(pick >= 0, pick, otherwise[rows])
        return picks

    def _rows(
        self, visit: Int, rank: Int, product: Int, bought: Bool, carted: Bool, viewed: Bool, first_order: int
    ) -> Ledger:
        ts = self.ts_N[visit]
        if self.historical:
            ts = ts - ts % DAY
        jitter = (self.rng.random(len(visit)) * MINUTE).astype(np.int64)
        before = (self.rng.exponential(2 * DAY, len(visit))).astype(np.int64)
        view_ts = np.where(bought, np.maximum(self.start, ts - before), ts + rank * MINUTE + 1) + jitter
        first_update = carted & (rank == 0) & (self.rng.random(len(visit)) < 0.3)
        order = first_order + visit
        none = np.full(len(visit), -1, dtype=np.int64)
        parts = [
            (viewed, VIEW, view_ts, none),
            (first_update, CART, ts + 30 * MINUTE, none),
            (carted, CART, ts + 35 * MINUTE, none),
            (bought, ORDER, ts if self.historical else ts + 45 * MINUTE, none if self.historical else order),
        ]
        person, mailed = self.visits.user_N[visit], self.mailed_N[visit]
        return joined(
            [
                Ledger(person[m], product[m], np.full(m.sum(), kind), when[m], number[m], mailed[m])
                for m, kind, when, number in parts
            ]
        )


def _position_in_group(group: Int) -> Int:
    """0, 1, 2 … within each run of equal values of a sorted array."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))


def _first_of_each(visit: Int, rank: Int, product: Int) -> tuple[Int, Int, Int]:
    """Without products that a visit has met before, sorted by visit and rank, ranks closed up."""
    order = np.lexsort((rank, product, visit))
    v, p = visit[order], product[order]
    fresh = np.ones(len(v), dtype=bool)
    fresh[1:] = (v[1:] != v[:-1]) | (p[1:] != p[:-1])
    keep = order[fresh]
    keep = keep[np.lexsort((rank[keep], visit[keep]))]
    return visit[keep], _position_in_group(visit[keep]), product[keep]
