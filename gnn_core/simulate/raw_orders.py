"""The order history as it comes: three columns of text.

What belongs here: how true historical orders and guests' orders look in the source. Rates: 35 % of addresses in other
case or padded, 0.3 % of dates that are none, 0.5 % of lines repeated, 3 % of the stream's orders listed here once more
(dated on or after the first day of the stream: to be dropped), SKUs in lower case or padded.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.simulate.arrow import strings, styled, written
from gnn_core.simulate.ledger import ORDER, Ledger
from gnn_core.simulate.products import Catalogue
from gnn_core.simulate.sizes import DATA_END, DAY, HISTORY_START, moment
from gnn_core.simulate.streams import Streams, quota

Int = NDArray[np.int64]
BAD_DATES = ("", "TBD", "Invalid Date", "0/0/0000")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


def historical_orders(
    ledger: Ledger,
    guests: tuple[Int, Int, Int],
    catalogue: Catalogue,
    emails: NDArray[np.object_],
    n_users: int,
    streams: Streams,
) -> pa.Table:
    """ITEM, SHIP_TO_EMAIL, ORDER_DATE."""
    rng = streams("historical_orders")
    mine = ledger.take((ledger.kind_E == ORDER) & ledger.historical_E & (ledger.person_E < n_users))
    stream = ledger.take((ledger.kind_E == ORDER) & ~ledger.historical_E & (ledger.person_E < n_users))
    overlap = stream.take(quota(rng, len(stream), max(0.03, min(1.0, 2 / max(1, len(stream))))))
    guest, guest_product, guest_ts = guests
    n_mail = len(emails)
    bad = rng.integers(0, len(guest), max(2, int(0.003 * len(guest))))
    email = np.concatenate([mine.person_E, overlap.person_E, n_mail + guest, n_mail + guest[bad]])
    product = np.concatenate([mine.product_E, overlap.product_E, guest_product, guest_product[bad]])
    day = (np.concatenate([mine.ts_E, overlap.ts_E, guest_ts, guest_ts[bad]]) - moment(HISTORY_START)) // DAY
    n = len(email)
    again = np.flatnonzero(quota(rng, n, max(0.005, 2 / n)))
    rows = rng.permutation(np.concatenate([np.arange(n), again]))
    # Dates that are none stand on lines of their own: no order of a known user is lost by them.
    n_days = (DATA_END - moment(HISTORY_START)) // DAY + 1
    is_bad = (rows >= n - len(bad)) & (rows < n)
    date = np.where(is_bad, 2 * n_days + rng.integers(0, len(BAD_DATES), len(rows)), day[rows])
    padded = ~is_bad & (rng.random(len(rows)) < 0.1)
    date = np.where(padded, date + n_days, date)
    n_P = len(catalogue.product_ids)
    item = styled(rng, len(rows), 0.95) * n_P + product[rows]
    addresses, n_addresses = _addresses(emails, int(guest.max()) + 1 if len(guest) else 0)
    address = styled(rng, len(rows), 0.65) * n_addresses + email[rows]
    return pa.table(
        {
            "ITEM": strings(written(catalogue.product_ids)).take(pa.array(item)),
            "SHIP_TO_EMAIL": addresses.take(pa.array(address)),
            "ORDER_DATE": strings([*_dates(n_days, ""), *_dates(n_days, "0"), *BAD_DATES]).take(pa.array(date)),
        }
    )


def _addresses(emails: NDArray[np.object_], n_guests: int) -> tuple[pa.Array, int]:
    guests = np.char.mod("guest.%d@example.com", np.arange(n_guests)).astype(object)
    everyone = np.concatenate([emails, guests])
    upper = [e.upper() for e in everyone]
    title = [e.title() for e in everyone]
    return strings([*everyone, *upper, *title, *(f" {e} " for e in everyone)]), len(everyone)


def _dates(n_days: int, pad: str) -> list[str]:
    """Such as Friday, January 10, 2025; a single-digit day with or without a leading zero."""
    days = np.datetime64("1970-01-01") + np.arange(n_days) + moment(HISTORY_START) // DAY
    texts = []
    for date in days.astype("datetime64[D]").tolist():
        day = f"{pad}{date.day}" if date.day < 10 else str(date.day)
        texts.append(f"{_WEEKDAYS[date.weekday()]}, {_MONTHS[date.month - 1]} {day}, {date.year}")
    return texts
