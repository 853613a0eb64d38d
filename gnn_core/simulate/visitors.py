"""People that staging can not match to a user with a vehicle: visitors of the site, and guests of the order history.

What belongs here: their views and orders; they carry prices and images into the event stream, and lines into the order
history that must be dropped and counted. What does not: fitment users (people.py, shopping.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnn_core.simulate.choice import Demand, Draws, draw, month_of
from gnn_core.simulate.ledger import ORDER, VIEW, Ledger, joined
from gnn_core.simulate.people import rising_times
from gnn_core.simulate.products import Catalogue
from gnn_core.simulate.sizes import DATA_END, DAY, HISTORY_START, STREAM_START, StoreSize, moment
from gnn_core.simulate.streams import Streams, weighted_picks
from gnn_core.simulate.vehicles import Garage

Int = NDArray[np.int64]
_ORDERS_PER_VIEW = 0.125


def n_without_vehicle(size: StoreSize) -> int:
    """Users with attribute rows, but without a valid vehicle."""
    return max(8, round(size.users * size.no_vehicle_share))


def browse_as_visitor(
    size: StoreSize, catalogue: Catalogue, demand: Demand, first_order: int, streams: Streams
) -> Ledger:
    """Views of every product that is ever seen, soon after it is on sale, and some orders."""
    rng = streams("visitors")
    stream = moment(STREAM_START)
    on_sale = np.flatnonzero(catalogue.seen_P & (catalogue.launch_P < DATA_END - 25 * DAY))
    shown_from = np.maximum(stream, catalogue.launch_P[on_sale])
    first_ts = shown_from + (rng.random(len(on_sale)) * 20 * DAY).astype(np.int64)
    late = np.flatnonzero(catalogue.seen_P & (catalogue.launch_P >= DATA_END - 25 * DAY))
    weight = (0.3 + np.exp(np.clip(demand.appeal_P, -3, 3))) * catalogue.seen_P
    more = weighted_picks(rng, weight, round(len(catalogue.product_ids) * size.visitor_views))
    ts = rising_times(rng, len(more), 1.1)
    more, ts = more[ts > catalogue.launch_P[more]], ts[ts > catalogue.launch_P[more]]
    product = np.concatenate([on_sale, late, more])
    moments = np.concatenate([first_ts, np.maximum(catalogue.launch_P[late], stream) + 60_000_000, ts])
    n_views = len(product)
    n_visitors = max(10, n_views // 3)
    # A tenth of the visitors have signed up, without a vehicle; nobody knows the others.
    signed_up = rng.random(n_visitors) < 0.1
    person_of = np.where(
        signed_up,
        size.users + rng.integers(0, n_without_vehicle(size), n_visitors),
        size.users + n_without_vehicle(size) + np.arange(n_visitors),
    )
    person = person_of[rng.integers(0, n_visitors, n_views)]
    # What many want is also bought at more of its views: this is why most SKUs of a month had been sold before.
    ease_P = np.exp(np.clip(demand.appeal_P, -3, 3))
    chance_P = np.minimum(0.8, _ORDERS_PER_VIEW * ease_P / ease_P.mean())
    buys = np.flatnonzero(rng.random(n_views) < chance_P[product])
    none = np.full(n_views, -1, dtype=np.int64)
    no_mail = np.zeros(n_views, dtype=bool)
    views = Ledger(person, product, np.full(n_views, VIEW), moments, none, no_mail)
    bought = views.take(buys)
    orders = Ledger(
        bought.person_E, bought.product_E, np.full(len(buys), ORDER), bought.ts_E + 1_200_000_000,
        first_order + np.arange(len(buys)), bought.mail_E,
    )  # fmt: skip
    return joined([views, orders])


def guest_orders(size: StoreSize, garage: Garage, demand: Demand, streams: Streams) -> tuple[Int, Int, Int]:
    """Guest number, product and day (UTC microseconds) of each historical line of an address that nobody has."""
    rng = streams("guests")
    n = size.guest_order_lines
    start, end = moment(HISTORY_START), moment(STREAM_START)
    ts = start + (rng.random(n) * (end - start)).astype(np.int64)
    vehicle = weighted_picks(rng, garage.demand_V, n)
    nobody = np.full(n, -1)
    product = draw(rng, demand.utility_VP, Draws(vehicle, month_of(ts), nobody, np.zeros(n), nobody), demand, taste=0.0)
    guest = rng.integers(0, max(1, int(n / 1.7)), n)
    keep = product >= 0
    return guest[keep], product[keep], (ts - ts % DAY)[keep]
