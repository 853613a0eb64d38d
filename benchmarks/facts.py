"""What a week's merge of interaction facts costs beside a rebuild from all events, and whether the two are the same.

python -m benchmarks facts --events 300000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from gnn_core.contracts import EVENT_TYPES
from gnn_core.graph.refresh import rebuild, refresh, same

END, DAYS = np.datetime64("2026-03-02", "us"), 180
WEEK = np.timedelta64(7, "D")
SECONDS_PER_DAY = 86_400


def made_up_events(n: int, seed: int) -> pd.DataFrame:
    """Half a year of events in the contract's columns; orders hold two products where two rows in a row are orders."""
    rng = np.random.default_rng(seed)
    age_s = np.sort(rng.integers(1, DAYS * SECONDS_PER_DAY, n))[::-1]
    kind = rng.choice(EVENT_TYPES, n, p=[0.8, 0.12, 0.08]).astype(object)
    order = np.where(kind == "order", np.char.add("o", (np.arange(n) // 2).astype(str)).astype(object), None)
    return pd.DataFrame(
        {
            "user_id": np.char.add("u", rng.integers(0, max(n // 100, 1), n).astype(str)).astype(object),
            "product_id": np.char.add("p", rng.integers(0, 25_000, n).astype(str)).astype(object),
            "event_type": kind,
            "event_ts": pd.to_datetime(END - age_s.astype("timedelta64[s]"), utc=True),
            "order_id": order,
            "quantity": np.ones(n, dtype=np.int64),
        }
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks facts", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument(
        "--late", type=float, default=0.001, help="share of the earlier rows that come in the last week"
    )
    options = parser.parse_args(arguments)
    events = made_up_events(options.events, 1)
    before = events["event_ts"] < pd.Timestamp(END - WEEK, tz="UTC")
    late = before & (np.random.default_rng(2).random(len(events)) < options.late)
    previous = rebuild(events[before & ~late], END - WEEK, "f")
    started = time.process_time()
    full = rebuild(events, END, "f")
    between = time.process_time()
    merged = refresh(previous, events, END, "f")
    ended = time.process_time()
    print("| events | new | late | days compared | s of CPU, rebuild | s of CPU, merge | the same |")
    print("|---" * 7 + "|")
    print(
        f"| {len(events):,} | {merged.new:,} | {merged.late:,} | {merged.days} | {between - started:.2f} | "
        f"{ended - between:.2f} | {'yes' if same(full, merged.facts) else 'NO'} |"
    )
    if not same(full, merged.facts):
        raise SystemExit("the merge differs from the rebuild")


if __name__ == "__main__":
    main()
