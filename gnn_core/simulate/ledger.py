"""What truly happened in a simulated store, before the source tables disfigure it.

What belongs here: the table of views, carts and orders, and the orders that staging is to find. What does not: how
they come about (shopping.py) or what they look like in the source tables (raw_*.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gnn_core.simulate.cascade import Orders
from gnn_core.simulate.sizes import STREAM_START, moment

Int = NDArray[np.int64]
VIEW, CART, ORDER = range(3)


@dataclass(frozen=True)
class Ledger:
    """One row a person, product, kind and moment. Rows of one person, kind and moment are one event of the stream.

    Persons below the number of fitment users are those; above come users without a vehicle, then visitors that no
    attribute row names. Orders before the stream starts have their day's midnight as moment and no order number.
    """

    person_E: Int
    product_E: Int
    kind_E: Int
    ts_E: Int
    """UTC microseconds."""
    order_E: Int
    """Number of the order, -1 for views, carts and the order history."""
    mail_E: NDArray[np.bool_]
    """Part of a visit that followed a click in an e-mail."""

    def __len__(self) -> int:
        return len(self.person_E)

    def take(self, index: NDArray) -> Ledger:
        """Rows at a mask or index array."""
        return Ledger(*(getattr(self, f.name)[index] for f in fields(self)))

    @property
    def historical_E(self) -> NDArray[np.bool_]:
        """Rows that come from the order history."""
        return self.ts_E < moment(STREAM_START)

    def orders(self, n_users: int) -> Orders:
        """Order lines of fitment users, as staging finds them."""
        mine = (self.kind_E == ORDER) & (self.person_E < n_users)
        return Orders(self.person_E[mine], self.product_E[mine], self.ts_E[mine])


def joined(parts: Sequence[Ledger]) -> Ledger:
    """All rows of several ledgers, sorted by moment, without repeated rows."""
    columns = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Ledger)]
    person, product, kind, ts, order, mail = columns
    rank = np.lexsort((order, product, kind, person, ts))
    key = np.stack([person, product, kind, ts])[:, rank]
    fresh = np.ones(len(rank), dtype=bool)
    fresh[1:] = (key[:, 1:] != key[:, :-1]).any(axis=0)
    keep = rank[fresh]
    return Ledger(*(column[keep] for column in (person, product, kind, ts, order, mail)))
