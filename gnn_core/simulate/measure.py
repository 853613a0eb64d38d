"""Shares of a simulated store, aimed against reached, measured on what truly happened.

What belongs here: what the real store is known for and how near a simulated one comes. What does not: how it is drawn.
Tiers and counts are those of fitment users over all history, the order history included, at the start of the test
window; the test window is the 30 days before the end of the newest complete week.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnn_core.simulate.cascade import best_k, cascade_scores, user_scores
from gnn_core.simulate.ledger import ORDER, VIEW, Ledger, joined
from gnn_core.simulate.sizes import STORE_END, TEST_START, moment
from gnn_core.simulate.truth import Truth

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Share:
    """One line of the comparison. Counts are shares without a percent sign when `unit` says so."""

    name: str
    aimed: float | None
    """None: a figure without an aim."""
    reached: float
    unit: str
    """`%` (values are fractions) or `count`."""
    note: str


def measure_shares(truth: Truth, long_values: float) -> list[Share]:
    """What the real store is known for, in this store."""
    shop, ledger = truth.shop, truth.ledger
    n_U = shop.size.users
    end = moment(STORE_END)
    before, window = ledger.take(ledger.ts_E < TEST_START), _window(ledger, TEST_START, end)
    active, strong = np.zeros(n_U, dtype=bool), np.zeros(n_U, dtype=bool)
    active[before.person_E] = True
    strong[before.person_E[before.kind_E != VIEW]] = True
    orders = ledger.take((ledger.kind_E == ORDER) & (ledger.ts_E < end))
    occasions = np.unique(np.stack([orders.person_E, orders.ts_E]), axis=1)[0]
    _, per_buyer = np.unique(occasions, return_counts=True)
    sold = window.take(window.kind_E == ORDER)
    unseen = _new_skus(ledger, end), _new_skus(joined([ledger, truth.visitors]), end)
    buyers, hits = _top4_hits(truth, sold)
    evaluable, sql_hits = _evaluable(truth, window)
    garage, fits = shop.garage, shop.catalogue.fits_VP
    v = np.repeat(np.arange(fits.shape[0]), np.diff(fits.indptr))
    pairs = len(np.unique(garage.segment_V[v] * np.int64(fits.shape[1]) + fits.indices))
    contract = ledger.ts_E < end
    return [
        Share("cold users", 0.98, 1 - active.mean(), "%", "no event before the test window"),
        Share("warm users", 0.015, (active & ~strong).mean(), "%", "views only"),
        Share("hot users", 0.005, strong.mean(), "%", "a cart or an order"),
        Share("buyers who buy again", 0.18, float((per_buyer > 1).mean()), "%", "at another moment"),
        Share("SKUs sold in the window, not before it", 0.37, unseen[1], "%", "event stream, all buyers"),
        Share("the same among fitment users alone", None, unseen[0], "%", "what a model has to work with"),
        Share("buyers who had viewed what they bought", 0.15, _viewed_before(ledger, sold), "%", "in the window"),
        Share("buyers whom the segment's top 4 hit", 0.09, float(hits.mean()), "%", f"cascade, {buyers} buyers"),
        Share("attribute values in long_value", 0.175, long_values, "%", "17 to 18 %"),
        Share("users with e-mail consent", 258 / 504, float(shop.people.consent_U.mean()), "%", ""),
        Share("eligible products", None, float(shop.catalogue.eligible_P.mean()), "%", ""),
        Share("users with several vehicles", None, float((shop.people.vehicles_U3[:, 1] >= 0).mean()), "%", ""),
        Share("make/models", shop.size.segments, garage.n_segments, "count", ""),
        Share("product × make/model pairs", shop.size.fitment_pairs, pairs, "count", ""),
        Share("interactions of fitment users", None, int(contract.sum()), "count", "views, carts, order lines"),
        Share("evaluable users of the test window", None, len(evaluable), "count", "organic, eligible and fitting"),
        Share("hits of the cascade's top 10 among them", None, int(sql_hits.sum()), "count", "users with a hit"),
    ]


def format_shares(rows: Sequence[Share]) -> str:
    """A plain-text table: name, aimed, reached, what it means."""

    def shown(value: float | None, unit: str) -> str:
        if value is None:
            return "-"
        return f"{100 * value:.1f} %" if unit == "%" else f"{value:,.0f}"

    cells = [("share", "aimed", "reached", "")]
    cells += [(r.name, shown(r.aimed, r.unit), shown(r.reached, r.unit), r.note) for r in rows]
    width = [max(len(row[i]) for row in cells) for i in range(3)]
    return "\n".join(
        f"{name:<{width[0]}}  {aimed:>{width[1]}}  {reached:>{width[2]}}  {note}".rstrip()
        for name, aimed, reached, note in cells
    )


def _window(ledger: Ledger, start: int, end: int) -> Ledger:
    return ledger.take((ledger.ts_E >= start) & (ledger.ts_E < end))


def _new_skus(ledger: Ledger, end: int) -> float:
    """Share of the products sold in the test window that the event stream had not seen sold before."""
    sold = ledger.take((ledger.kind_E == ORDER) & ~ledger.historical_E)
    now = np.unique(_window(sold, TEST_START, end).product_E)
    return float((~np.isin(now, sold.product_E[sold.ts_E < TEST_START])).mean()) if len(now) else 0.0


def _viewed_before(ledger: Ledger, sold: Ledger) -> float:
    """Share of buyers with a view of a product they bought, before they bought it."""
    buyers = np.unique(sold.person_E)
    views = ledger.take((ledger.kind_E == VIEW) & np.isin(ledger.person_E, buyers))
    size = np.int64(1 + max(ledger.product_E.max(), sold.product_E.max()))
    key = views.person_E * size + views.product_E
    order = np.lexsort((views.ts_E, key))
    first_key, at = np.unique(key[order], return_index=True)
    first_ts = views.ts_E[order][at]
    wanted = sold.person_E * size + sold.product_E
    place = np.minimum(np.searchsorted(first_key, wanted), max(0, len(first_key) - 1))
    if len(first_key) == 0:
        return 0.0
    seen = (first_key[place] == wanted) & (first_ts[place] < sold.ts_E)
    return len(np.unique(sold.person_E[seen])) / max(1, len(buyers))


def _top_k_of(truth: Truth, users: Int, k: int) -> Int:
    """(N, k) the cascade's best eligible products of each user at the start of the test window."""
    shop = truth.shop
    orders = truth.ledger.orders(shop.size.users).before(TEST_START)
    scores = cascade_scores(orders, shop.people.vehicles_U3, shop.garage, shop.catalogue.fits_VP)
    tops = [np.empty((0, k), dtype=np.int64)]
    for start in range(0, len(users), 512):
        vehicles = shop.people.vehicles_U3[users[start : start + 512]]
        tops.append(best_k(user_scores(scores, vehicles, shop.catalogue.eligible_P), k))
    return np.concatenate(tops)


def _hits(truth: Truth, users: Int, rows: Ledger, k: int) -> NDArray[np.bool_]:
    """Whether each (sorted) user's top k holds one of the products of their rows."""
    top = _top_k_of(truth, users, k)
    owner = np.searchsorted(users, rows.person_E)
    hit = (top[owner] == rows.product_E[:, None]).any(axis=1)
    return np.bincount(owner[hit], minlength=len(users)) > 0


def _top4_hits(truth: Truth, sold: Ledger) -> tuple[int, NDArray[np.bool_]]:
    buyers = np.unique(sold.person_E)
    return len(buyers), _hits(truth, buyers, sold, 4)


def _evaluable(truth: Truth, window: Ledger) -> tuple[Int, NDArray[np.bool_]]:
    """Users with an organic event on an eligible product that fits one of their vehicles; whom the top 10 hit."""
    shop = truth.shop
    organic = window.take(~window.mail_E & shop.catalogue.eligible_P[window.product_E])
    fits = np.zeros(len(organic), dtype=bool)
    for slot in range(3):
        vehicle = shop.people.vehicles_U3[organic.person_E, slot]
        fits |= (vehicle >= 0) & (np.asarray(shop.catalogue.fits_VP[vehicle, organic.product_E]).ravel() > 0)
    positives = organic.take(fits)
    users = np.unique(positives.person_E)
    return users, _hits(truth, users, positives, 10)
