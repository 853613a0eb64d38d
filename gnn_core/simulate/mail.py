"""The e-mail programme as it comes: sends and engagements.

What belongs here: what was sent, opened and clicked. What does not: the visits that a click brought (shopping.py).
Rates: a tenth of sends to people without a vehicle, 11 % of sends opened, 0.4 % clicked, 25 % of engagements delivered
once more about a day later, 1 % with a tracking id that nobody sent, none yet of the last day (they come about a day
late).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.simulate.arrow import strings, timestamps
from gnn_core.simulate.people import People
from gnn_core.simulate.shopping import MailVisits
from gnn_core.simulate.sizes import DATA_END, DAY, MAIL_START, StoreSize, moment
from gnn_core.simulate.streams import Streams

Int = NDArray[np.int64]
ARMS = ("sql_v5.17", "sql_v5.18")
_OPENED, _CLICKED = 0.11, 0.004
_MINUTE = 60_000_000


def mail_tables(
    size: StoreSize, people: People, visits: MailVisits, user_ids: NDArray[np.object_], streams: Streams
) -> tuple[pa.Table, pa.Table]:
    """(sends, engagements)."""
    rng = streams("mail")
    start = moment(MAIL_START)
    n, n_U, n_visits = size.sends, size.users, len(visits.user)
    consenting = np.flatnonzero(people.consent_U)
    user = consenting[rng.integers(0, len(consenting), n)]
    user = np.where(rng.random(n) < 0.1, rng.integers(n_U, len(user_ids), n), user)
    # Batches leave at eight in the morning.
    day = rng.integers(0, (DATA_END - start) // DAY, n)
    sent = start + day * DAY + 8 * 60 * _MINUTE + (rng.random(n) * 30 * _MINUTE).astype(np.int64)
    # A visit that an e-mail brought: its send some hours or days before, the click just before it.
    clicked = visits.ts - (rng.random(n_visits) * 10 * _MINUTE).astype(np.int64) - _MINUTE
    own_sent = clicked - (rng.exponential(0.7 * DAY, n_visits)).astype(np.int64) - 10 * _MINUTE
    user, sent = np.concatenate([user, visits.user]), np.concatenate([sent, own_sent])
    n_all = len(user)
    ids = np.char.mod("t%09d", (np.arange(n_all) * 7_919 + 13) % 1_000_000_007).astype(object)
    arm = np.where(sent < start + 60 * DAY, 0, 1)
    sends = pa.table(
        {
            "treatment_tracking_id": strings(ids),
            "user_id": strings(user_ids).take(pa.array(user)),
            "arm_id": strings(ARMS).take(pa.array(arm)),
            "treatment_sent_timestamp": timestamps(sent),
        }
    )
    order = np.argsort(sent, kind="stable")
    engagements = _engagements(rng, ids, sent, n, clicked)
    return sends.take(pa.array(order)), engagements


def _engagements(
    rng: np.random.Generator, ids: NDArray[np.object_], sent: Int, n_plain: int, clicked_ts: Int
) -> pa.Table:
    n_all = len(sent)
    click = rng.random(n_plain) < _CLICKED
    opened = np.flatnonzero(np.concatenate([click | (rng.random(n_plain) < _OPENED), np.ones(n_all - n_plain, bool)]))
    open_ts = sent + (rng.exponential(5 * 60, n_all) * _MINUTE).astype(np.int64) + _MINUTE
    open_ts[n_plain:] = np.minimum(open_ts[n_plain:], clicked_ts - _MINUTE // 2)
    click_rows = np.concatenate([np.flatnonzero(click), np.arange(n_plain, n_all)])
    click_ts = np.concatenate([open_ts[:n_plain][click] + 2 * _MINUTE, clicked_ts])
    row = np.concatenate([opened, click_rows])
    kind = np.concatenate([np.zeros(len(opened), dtype=np.int64), np.ones(len(click_rows), dtype=np.int64)])
    ts = np.concatenate([open_ts[opened], click_ts])
    again = np.flatnonzero(rng.random(len(row)) < 0.25)
    late = DAY + (rng.random(len(again)) * 60 * _MINUTE).astype(np.int64)
    row, kind = np.concatenate([row, row[again]]), np.concatenate([kind, kind[again]])
    ts = np.concatenate([ts, ts[again] + late])
    unknown = rng.integers(0, len(row), max(2, len(row) // 100))
    pool = np.concatenate([ids, np.array(["t-unknown-1", "t-unknown-2"], dtype=object)])
    row = np.concatenate([row, n_all + np.arange(len(unknown)) % 2])
    kind, ts = np.concatenate([kind, kind[unknown]]), np.concatenate([ts, ts[unknown]])
    order = np.argsort(ts, kind="stable")
    order = order[ts[order] < DATA_END - DAY]
    return pa.table(
        {
            "treatment_tracking_id": strings(pool).take(pa.array(row[order])),
            "interaction_type": strings(("VIEWED", "CLICKED")).take(pa.array(kind[order])),
            "interaction_timestamp": timestamps(ts[order]),
        }
    )
