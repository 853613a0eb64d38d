"""Intent of audience rows for products, as v5.17 counts it: the twin of sql/baseline/intent.sql for any audience.

What belongs here: that count. What does not: the warehouse. An audience may be scored later than the model was fitted,
or with part of its history hidden, so intent comes from the audience, not from a table; a test holds both together.

Shape letters: A audience rows, P products, E events, C pairs of row and product.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from gnn_core.config import BaselineSettings
from gnn_core.recommender import Audience
from gnn_core.snapshot import CART, ORDER, VIEW, Events, Int

_DAY_US = 86_400_000_000


def audience_intent(
    audience: Audience, n_products: int, window_start: np.datetime64, settings: BaselineSettings
) -> sparse.csr_matrix:
    """(A, P) intent from the audience's events in [window_start, audience.as_of).

    Of a row and product, orders count if there are any, else carts, else views: ln(1 + n) times the kind's weight.
    Orders are counted by order number, those without one by day.
    """
    events = audience.history.between(window_start, audience.as_of)
    pairs, pair_E = np.unique(events.user_E * n_products + events.product_E, return_inverse=True)
    orders, carts, views = (_count(events, pair_E, kind, len(pairs)) for kind in (ORDER, CART, VIEW))
    weight = np.where(
        orders > 0,
        settings.intent_order_weight,
        np.where(carts > 0, settings.intent_cart_weight, settings.intent_view_weight),
    )
    n = np.where(orders > 0, orders, np.where(carts > 0, carts, views))
    intent = np.log1p(n) * weight
    shape = (len(audience), n_products)
    return sparse.csr_matrix((intent, (pairs // n_products, pairs % n_products)), shape=shape)


def _count(events: Events, pair_E: Int, kind: int, n_pairs: int) -> Int:
    """Events of a kind per pair; distinct orders for orders."""
    of_kind = events.kind_E == kind
    pair, chosen = pair_E[of_kind], events.take(of_kind)
    if kind == ORDER:
        number = np.where(chosen.order_E >= 0, chosen.order_E, -1 - chosen.ts_E // _DAY_US)
        pair = np.unique(np.stack([pair, number]), axis=1)[0]
    return np.bincount(pair, minlength=n_pairs)
