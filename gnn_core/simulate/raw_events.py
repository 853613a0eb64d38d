"""The event stream as it comes.

What belongs here: how true views, carts and orders look in the source. Rates: 15 % of names in lower or upper case,
`ProductID` for `ProductId` in 30 % of events, an order reported under one to three names (Placed Order; Ordered
Product, one event an item; Consumer Website Order) some seconds apart with one number, the number as text or as long,
1 % of events repeated exactly, 1 % foreign events without a product, 0.3 % of views of a product that no catalogue row
has, prices in string_value, double_value or, when whole, in long_value, a tenth of views without image, images with
`//cdn` or `http://`, 5 % of SKUs in lower case or padded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.simulate.arrow import Properties, nested, properties, strings, styled, timestamps, written
from gnn_core.simulate.ledger import CART, ORDER, VIEW, Ledger
from gnn_core.simulate.products import IMAGE_CDN, IMAGE_HTTP, IMAGE_NONE, Catalogue
from gnn_core.simulate.sizes import DAY, STREAM_START, moment
from gnn_core.simulate.streams import Streams, quota

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
_EVENT_NAMES = ("Viewed Product", "Cart Update", "Placed Order", "Ordered Product", "Consumer Website Order",
                "Session Start", "Searched Site")  # fmt: skip
_VIEWED, _CART, _PLACED, _ORDERED, _WEBSITE, _SESSION, _SEARCH = range(7)
_MAX_ITEMS = 26
_NAMES = ("ProductId", "ProductID", "Price", "ImageURL", "ProductURL", "OrderId", "OrderID", "Query",
          *(f"Items_{i}.ProductId" for i in range(_MAX_ITEMS)), *(f"Items_{i}.ProductID" for i in range(_MAX_ITEMS)),
          *(f"Items_{i}.ItemPrice" for i in range(_MAX_ITEMS)), *(f"SKUs_{i}" for i in range(_MAX_ITEMS)))  # fmt: skip
_PRODUCT, _PRODUCT2, _PRICE, _IMAGE, _URL, _ORDER, _ORDER2, _QUERY, _ITEM = range(9)
_ITEM2, _ITEM_PRICE, _SKU = _ITEM + _MAX_ITEMS, _ITEM + 2 * _MAX_ITEMS, _ITEM + 3 * _MAX_ITEMS
_SECOND = 1_000_000
PRICE_RISE = moment(STREAM_START) + 91 * DAY
"""Until then, a third of the products cost a percent less."""


@dataclass(frozen=True)
class _Block:
    """Events of one kind, and their properties with rows counted within the block."""

    name: Int
    person: Int
    ts: Int
    parts: list[Properties]


def events_table(ledger: Ledger, catalogue: Catalogue, user_ids: NDArray[np.object_], streams: Streams) -> pa.Table:
    """user_id, event_name, client_event_timestamp, event_properties.

    `user_ids` names every person of the ledger; visitors beyond it get ids of their own.
    """
    rng = streams("events")
    stream = ledger.take(~ledger.historical_E)
    values = _Values(catalogue, stream.order_E, rng)
    views = stream.take(stream.kind_E == VIEW)
    blocks = [_views(views, values, rng), _carts(stream.take(stream.kind_E == CART), values, rng)]
    blocks += _orders(stream.take(stream.kind_E == ORDER), values, rng)
    blocks += [_foreign(views, values, rng), _unlisted(views, values, rng)]
    starts = np.cumsum([0, *(len(b.name) for b in blocks)])
    parts = [_moved(part, start) for block, start in zip(blocks, starts, strict=False) for part in block.parts]
    person = np.concatenate([b.person for b in blocks])
    ts = np.concatenate([b.ts for b in blocks])
    n = len(person)
    case = np.where(rng.random(n) < 0.85, 0, rng.integers(1, 3, n))
    name = np.concatenate([b.name for b in blocks])
    case[: min(3, n)] = np.arange(min(3, n))
    names = [*_EVENT_NAMES, *(e.lower() for e in _EVENT_NAMES), *(e.upper() for e in _EVENT_NAMES)]
    n_ids = max(int(person.max()) + 1, len(user_ids))
    visitors = np.char.mod("anon-%d", np.arange(n_ids - len(user_ids))).astype(object)
    table = pa.table(
        {
            "user_id": strings(np.concatenate([user_ids, visitors])).take(pa.array(person)),
            "event_name": strings(names).take(pa.array(case * len(_EVENT_NAMES) + name)),
            "client_event_timestamp": timestamps(ts),
            "event_properties": nested(parts, n, _NAMES, values.strings),
        }
    )
    repeated = np.flatnonzero(quota(rng, n, max(0.01, 3 / n)))
    rows = np.concatenate([np.arange(n), repeated])
    return table.take(pa.array(rows[np.argsort(ts[rows], kind="stable")]))


class _Values:
    """Strings of the table, and the ways in which products, prices and order numbers are written."""

    def __init__(self, catalogue: Catalogue, orders: Int, rng: np.random.Generator) -> None:
        self._catalogue, self._rng = catalogue, rng
        n_P = len(catalogue.product_ids)
        self._n_P = n_P
        scheme = np.array(["https://cdn.", "//cdn.", "http://cdn.", ""], dtype=object)
        assert (IMAGE_CDN, IMAGE_HTTP, IMAGE_NONE) == (1, 2, 3)
        slugs = np.array([p.lower() for p in catalogue.product_ids], dtype=object)
        images = scheme[catalogue.image_P] + "parts.example.com/" + slugs + ".jpg"
        early = np.round(catalogue.price_P * np.where(rng.random(n_P) < 0.33, 0.99, 1.0), 2)
        whole = catalogue.price_P == np.round(catalogue.price_P)
        self.price_2P = np.stack([np.where(whole, catalogue.price_P, early), catalogue.price_P])
        prices = [f"{value:.2f}" for value in self.price_2P.ravel()]
        n_orders = int(orders.max()) + 1 if len(orders) else 0
        step = int(rng.integers(100_000_000, 900_000_000))
        self.number = 1_000_000_000 + (np.arange(n_orders) * 7_919 + step) % 1_000_000_007
        pools = [
            written(catalogue.product_ids), images, "https://parts.example.com/p/" + slugs, prices,
            [str(x) for x in self.number], ["carburetor", "headers", "lift kit"], ["UNLISTED-1", "UNLISTED-2"],
        ]  # fmt: skip
        self._at = np.cumsum([0, *(len(p) for p in pools)])
        self.strings = strings([text for pool in pools for text in pool])

    def sku(self, product: Int) -> Int:
        """Codes of SKUs, 5 % of them in lower case or padded."""
        return styled(self._rng, len(product), 0.95) * self._n_P + product

    def image(self, product: Int) -> Int:
        """Codes of image addresses; -1 where the product has none."""
        return np.where(self._catalogue.image_P[product] == IMAGE_NONE, -1, self._at[1] + product)

    def url(self, product: Int) -> Int:
        """Codes of page addresses."""
        return self._at[2] + product

    def price(self, row: Int, place: Int | int, name: Int | int, product: Int, ts: Int) -> Properties:
        """Price properties: most as double, some as text, whole dollars as long."""
        later = (ts >= PRICE_RISE).astype(np.int64)
        value = self.price_2P[later, product]
        as_text = self._rng.random(len(row)) < 0.15
        as_long = ~as_text & (value == np.round(value))
        text = np.where(as_text, self._at[3] + later * self._n_P + product, -1)
        double = np.where(as_text | as_long, np.nan, value)
        return properties(row, place, name, text=text, double=double, long=np.round(value).astype(np.int64))

    def order(self, row: Int, order: Int) -> Properties:
        """Order numbers, under either name, as text or (a third) as long."""
        name = np.where(self._rng.random(len(row)) < 0.8, _ORDER, _ORDER2)
        as_long = self._rng.random(len(row)) < 0.33
        text = np.where(as_long, -1, self._at[4] + order)
        return properties(row, -1, name, text=text, long=self.number[order])

    def query(self, row: Int) -> Properties:
        """What was searched for."""
        return properties(row, 0, _QUERY, text=self._at[5] + row % 3)

    def unlisted(self, row: Int) -> Properties:
        """SKUs that the catalogue does not have."""
        return properties(row, 0, _PRODUCT, text=self._at[6] + row % 2)


def _moved(part: Properties, by: int) -> Properties:
    return Properties(part.row + by, part.place, part.name, part.text, part.long, part.has_long, part.double)


def _product_name(rng: np.random.Generator, n: int) -> Int:
    return np.where(rng.random(n) < 0.7, _PRODUCT, _PRODUCT2)


def _views(views: Ledger, values: _Values, rng: np.random.Generator) -> _Block:
    n = len(views)
    row, product = np.arange(n), views.product_E
    # The first sight of a product always has its image: an image that exists is known.
    first = np.zeros(n, dtype=bool)
    first[np.unique(product, return_index=True)[1]] = True
    image = values.image(product)
    shown = np.flatnonzero((image >= 0) & (first | (rng.random(n) < 0.9)))
    parts = [
        properties(row, 0, _product_name(rng, n), text=values.sku(product)),
        values.price(row, 1, _PRICE, product, views.ts_E),
        properties(shown, 2, _IMAGE, text=image[shown]),
        properties(row, 3, _URL, text=values.url(product)),
    ]
    return _Block(np.full(n, _VIEWED), views.person_E, views.ts_E, parts)


def _grouped(rows: Ledger) -> tuple[Ledger, Int, Int, Int]:
    """Rows sorted by event; the event of each, its place within it, and the first row of each event."""
    order = np.lexsort((rows.product_E, rows.ts_E, rows.person_E))
    rows = rows.take(order)
    fresh = np.ones(len(rows), dtype=bool)
    fresh[1:] = (np.diff(rows.person_E) != 0) | (np.diff(rows.ts_E) != 0)
    first = np.flatnonzero(fresh)
    event = np.cumsum(fresh) - 1
    return rows, event, np.arange(len(rows)) - first[event], first


def _items(rows: Ledger, event: Int, place: Int, values: _Values, rng: np.random.Generator) -> list[Properties]:
    """Items_N.ProductId and Items_N.ItemPrice; the writing of the name is one an event."""
    second = rng.random(int(event.max()) + 1 if len(event) else 0) < 0.2
    name = np.where(second[event], _ITEM2, _ITEM) + place
    return [
        properties(event, 2 * place, name, text=values.sku(rows.product_E)),
        values.price(event, 2 * place + 1, _ITEM_PRICE + place, rows.product_E, rows.ts_E),
    ]


def _carts(carts: Ledger, values: _Values, rng: np.random.Generator) -> _Block:
    rows, event, place, first = _grouped(carts)
    return _Block(
        np.full(len(first), _CART), rows.person_E[first], rows.ts_E[first], _items(rows, event, place, values, rng)
    )


def _orders(orders: Ledger, values: _Values, rng: np.random.Generator) -> list[_Block]:
    """Every order under one to three names; the first that is there carries the true moment."""
    rows, event, place, first = _grouped(orders)
    ways = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]], dtype=bool)
    pick = np.searchsorted(np.cumsum([0.3, 0.3, 0.25, 0.1]), rng.random(len(first)))
    pick[:5] = np.arange(5)[: len(pick)]
    told = ways[pick]
    delay = np.zeros((len(first), 3), dtype=np.int64)
    delay[:, 1] = np.where(told[:, 0], 4 * _SECOND, 0)
    delay[:, 2] = np.where(told[:, 0] | told[:, 1], 65 * _SECOND, 0)
    number, person, ts = rows.order_E[first], rows.person_E[first], rows.ts_E[first]

    def chosen(way: int) -> tuple[NDArray, Int, NDArray, Int]:
        """Orders told this way, their new numbering, their item rows and the events of those."""
        events = np.flatnonzero(told[:, way])
        new = np.full(len(first), -1)
        new[events] = np.arange(len(events))
        items = np.flatnonzero(told[event, way])
        return events, new, items, new[event[items]]

    events, _, items, at = chosen(0)
    numbers = values.order(np.arange(len(events)), number[events])
    contents = _items(rows.take(items), at, place[items], values, rng)
    placed = _Block(np.full(len(events), _PLACED), person[events], ts[events], [numbers, *contents])
    events, _, items, at = chosen(1)
    one, product = np.arange(len(items)), rows.product_E[items]
    ordered = _Block(
        np.full(len(items), _ORDERED), rows.person_E[items], rows.ts_E[items] + delay[event[items], 1],
        [
            values.order(one, rows.order_E[items]),
            properties(one, 0, _product_name(rng, len(one)), text=values.sku(product)),
            values.price(one, 1, _PRICE, product, rows.ts_E[items]),
        ],
    )  # fmt: skip
    events, _, items, at = chosen(2)
    website = _Block(
        np.full(len(events), _WEBSITE), person[events], ts[events] + delay[events, 2],
        [
            values.order(np.arange(len(events)), number[events]),
            properties(at, place[items], _SKU + place[items], text=values.sku(rows.product_E[items])),
        ],
    )  # fmt: skip
    return [placed, ordered, website]


def _foreign(views: Ledger, values: _Values, rng: np.random.Generator) -> _Block:
    """Events that are about no product."""
    near = views.take(quota(rng, len(views), max(0.01, 2 / len(views))))
    n = len(near)
    search = np.flatnonzero(np.arange(n) % 2 == 0)
    name = np.where(np.arange(n) % 2 == 0, _SEARCH, _SESSION)
    return _Block(name, near.person_E, near.ts_E - 5 * _SECOND, [values.query(search)])


def _unlisted(views: Ledger, values: _Values, rng: np.random.Generator) -> _Block:
    """Views of products that the catalogue does not list."""
    near = views.take(quota(rng, len(views), max(0.003, 2 / len(views))))
    parts = [values.unlisted(np.arange(len(near)))]
    return _Block(np.full(len(near), _VIEWED), near.person_E, near.ts_E + 7 * _SECOND, parts)
