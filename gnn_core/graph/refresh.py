"""Interaction facts that grow: last week's, merged with what is new or late; or made anew, and saying why.

What belongs here: undecayed facts and unpruned counts of joint orders, by id; the merge; what makes a merge impossible.
What does not: where they are kept (the assets), decay, thresholds and caps, which are derived afresh each week
(interactions.py, copurchase.py) and are therefore the same after a merge as after a rebuild, edge for edge.

A merge hashes every row, keeps the days whose hashes have the same sum as they stand, compares the rows of the others
one by one, and counts only those baskets again that a changed row touches. Facts are keyed by id, since the
positions of users and products move from week to week.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.config.learning import GraphSettings
from gnn_core.contracts import EVENT_TYPES
from gnn_core.errors import LeakageError
from gnn_core.graph.copurchase import CoPurchaseCounts
from gnn_core.graph.interactions import MICROS_PER_DAY
from gnn_core.snapshot import ORDER, Events, Snapshot, index_of, micros

if TYPE_CHECKING:
    from gnn_core.graph.hetero import HeteroGraph, Structure

log = logging.getLogger(__name__)
KEY = ["ts", "user_id", "product_id", "kind", "order_id", "quantity"]
"""What makes a fact; `n` counts how often it occurs. `order_id` is "" where there is none, `ts` UTC microseconds."""
PAIR = ["left_id", "right_id"]
MERGED, REBUILT = "merged", "rebuilt"


@dataclass(frozen=True)
class Facts:
    """What is known of interactions at a moment."""

    rows: pd.DataFrame
    """Columns KEY and `n`, sorted by KEY."""
    joint: pd.DataFrame
    """Columns PAIR (left_id < right_id) and `orders`: distinct orders that hold both; sorted, nothing pruned."""
    as_of: np.datetime64
    """Exclusive end of what is known, UTC."""
    fingerprint: str
    """Of the settings that decide which events there are."""


@dataclass(frozen=True)
class Refreshed:
    """Facts of a week, and how they came about."""

    facts: Facts
    how: str
    """`merged` or `rebuilt`."""
    why: str
    new: int
    """Rows at or after the previous as-of date."""
    late: int
    """Rows from before it that were not there."""
    vanished: int
    """Rows that were there and are gone, such as those of a product that left the catalogue."""
    days: int
    """Days whose rows were compared one by one; 0 after a rebuild."""


def rebuild(events: pd.DataFrame, as_of: np.datetime64, fingerprint: str) -> Facts:
    """Facts of a whole events table.

    Args:
        events: contract table; rows at or after `as_of` are an error.
    Raises:
        LeakageError: a row lies at or after `as_of`.
    """
    rows = _counted(_keyed(events, as_of))
    return Facts(rows, _count(_baskets(rows)), as_of, fingerprint)


def refresh(
    previous: Facts | None, events: pd.DataFrame, as_of: np.datetime64, fingerprint: str, *, rebuild_because: str = ""
) -> Refreshed:
    """The week's facts: merged into the previous ones where that is sound, else made anew with the reason.

    Args:
        previous: of an earlier week; None when there is none.
        events: the week's whole contract table.
        fingerprint: of the settings that decide which events there are.
        rebuild_because: a reason of the caller to make them anew, such as a month that begins.
    """
    why = rebuild_because or _why_not(previous, as_of, fingerprint)
    if previous is not None and not why:
        return _merged(previous, _keyed(events, as_of), as_of)
    log.info("interaction facts as of %s are rebuilt: %s", as_of, why)
    return Refreshed(rebuild(events, as_of, fingerprint), REBUILT, why, 0, 0, 0, 0)


def same(left: Facts, right: Facts) -> bool:
    """Whether two facts agree row for row and pair for pair."""
    return bool(left.rows.equals(right.rows) and left.joint.equals(right.joint) and left.as_of == right.as_of)


def with_facts(facts: Facts, week: Snapshot) -> Snapshot:
    """The week with the interactions of its facts instead of its own.

    Raises:
        LeakageError: facts and snapshot are of different moments.
        ContractError: a fact names a user or product that the week does not have.
    """
    if facts.as_of != week.as_of:
        raise LeakageError(f"facts are as of {facts.as_of}, the snapshot is as of {week.as_of}")
    return replace(week, events=coded(facts, week))


def facts_graph(
    facts: Facts, week: Snapshot, settings: GraphSettings, structure: Structure | None = None
) -> HeteroGraph:
    """The graph of a week's users, products and vehicles with the interactions of its facts.

    Raises:
        LeakageError: facts and snapshot are of different moments.
        ContractError: a fact names a user or product that the week does not have.
    """
    from gnn_core.graph.hetero import build_graph  # brings torch

    known = with_facts(facts, week)
    counts = CoPurchaseCounts(
        index_of(facts.joint["left_id"], week.product_ids, "joint.left_id"),
        index_of(facts.joint["right_id"], week.product_ids, "joint.right_id"),
        facts.joint["orders"].to_numpy(dtype=np.int64),
    )
    return build_graph(known, settings, structure, joint=counts)


def coded(facts: Facts, week: Snapshot) -> Events:
    """Facts as the snapshot's events: coded, one row an occurrence, in the snapshot's order."""
    rows = facts.rows.loc[facts.rows.index.repeat(facts.rows["n"])]
    order_E = pd.factorize(rows["order_id"].where(rows["order_id"] != ""), sort=True)[0]
    events = Events(
        user_E=index_of(rows["user_id"], week.user_ids, "facts.user_id"),
        product_E=index_of(rows["product_id"], week.product_ids, "facts.product_id"),
        kind_E=rows["kind"].to_numpy(dtype=np.int8),
        ts_E=rows["ts"].to_numpy(dtype=np.int64),
        order_E=order_E.astype(np.int64),
        quantity_E=rows["quantity"].to_numpy(dtype=np.int64),
    )
    return events.take(np.lexsort((events.order_E, events.kind_E, events.product_E, events.user_E, events.ts_E)))


def _why_not(previous: Facts | None, as_of: np.datetime64, fingerprint: str) -> str:
    if previous is None:
        return "there are no earlier facts"
    if previous.fingerprint != fingerprint:
        return "the earlier facts were made with other settings"
    if previous.as_of >= as_of:
        return f"the other facts are as of {previous.as_of}, which is not earlier"
    return ""


def _merged(previous: Facts, now: pd.DataFrame, as_of: np.datetime64) -> Refreshed:
    """Previous facts with the days exchanged that are not what they were.

    Args:
        now: every row of the week's events, in the columns KEY.
    """
    days = _changed_days(previous.rows, now)
    stays = ~_day(previous.rows).isin(days)
    before, after = previous.rows[~stays], _counted(now[_day(now).isin(days)])
    arrived, gone = _difference(before, after)
    # Both parts are sorted by KEY, which begins with the moment, and no day is in both.
    rows = pd.concat([previous.rows[stays], after]).sort_values("ts", kind="stable", ignore_index=True)
    joint = _exchanged(previous, rows, _orders(pd.concat([arrived, gone]))["order_id"])
    recent = arrived["ts"] >= micros(previous.as_of)
    new, late = int(arrived.loc[recent, "n"].sum()), int(arrived.loc[~recent, "n"].sum())
    vanished = int(gone["n"].sum())
    why = f"{new:,} new and {late:,} late rows since {previous.as_of}"
    if vanished:
        why += f", {vanished:,} gone"
    facts = Facts(rows, joint, as_of, previous.fingerprint)
    return Refreshed(facts, MERGED, why, new, late, vanished, len(days))


def _exchanged(previous: Facts, rows: pd.DataFrame, touched: pd.Series) -> pd.DataFrame:
    """Joint orders after the baskets of the touched orders have changed."""
    old, now = (_orders(facts) for facts in (previous.rows, rows))
    less = _count(_baskets(old[old["order_id"].isin(touched)]))
    more = _count(_baskets(now[now["order_id"].isin(touched)]))
    less["orders"] *= -1
    joint = pd.concat([previous.joint, more, less]).groupby(PAIR, as_index=False, sort=True)["orders"].sum()
    return joint[joint["orders"] > 0].reset_index(drop=True)


def _day(rows: pd.DataFrame) -> pd.Series:
    return rows["ts"] // MICROS_PER_DAY


def _changed_days(before: pd.DataFrame, now: pd.DataFrame) -> NDArray[np.int64]:
    """Days of which the two do not hold the same rows equally often: the sums of their rows' hashes differ.

    A sum modulo 2^64 does not ask for an order, and tells two days apart unless some 10^19 others were tried.
    """
    once = np.ones(len(now), dtype=np.uint64)
    left, right = _hash_sums(before, before["n"].to_numpy(dtype=np.uint64)).align(_hash_sums(now, once), fill_value=0)
    return np.asarray(left.index[(left != right).to_numpy()], dtype=np.int64)


def _hash_sums(rows: pd.DataFrame, times_N: NDArray[np.uint64]) -> pd.Series:
    """Sum of the hashes of each day's rows, each taken so many times."""
    hashes_N = pd.util.hash_pandas_object(rows[KEY], index=False).to_numpy()
    return pd.Series(hashes_N * times_N).groupby(_day(rows).to_numpy()).sum()


def _keyed(events: pd.DataFrame, as_of: np.datetime64) -> pd.DataFrame:
    """Every event in the columns KEY."""
    stamps = pd.to_datetime(events["event_ts"], utc=True).dt.tz_localize(None)
    rows = pd.DataFrame(
        {
            "ts": stamps.to_numpy(dtype="datetime64[us]").astype(np.int64),
            "user_id": events["user_id"].astype(object),
            "product_id": events["product_id"].astype(object),
            "kind": pd.Categorical(events["event_type"], categories=list(EVENT_TYPES)).codes.astype(np.int64),
            "order_id": events["order_id"].astype(object).where(events["order_id"].notna(), ""),
            "quantity": events["quantity"].to_numpy(dtype=np.int64),
        }
    )
    if (late := int((rows["ts"] >= micros(as_of)).sum())) > 0:
        raise LeakageError(f"events: {late} row(s) at or after {as_of}; facts end there")
    return rows


def _counted(keyed: pd.DataFrame) -> pd.DataFrame:
    """Distinct rows, sorted, and how often each occurs."""
    return keyed.groupby(KEY, as_index=False, sort=True).size().rename(columns={"size": "n"})


def _difference(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What has come, and what has gone, as facts with the number of occurrences."""
    both = before.merge(after, on=KEY, how="outer", suffixes=("_before", "_after"))
    change = (both["n_after"].fillna(0) - both["n_before"].fillna(0)).astype(np.int64)
    facts = both[KEY]
    return facts[change > 0].assign(n=change[change > 0]), facts[change < 0].assign(n=-change[change < 0])


def _orders(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of orders that have an id."""
    return rows[(rows["kind"] == ORDER) & (rows["order_id"] != "")]


def _baskets(rows: pd.DataFrame) -> pd.DataFrame:
    """Distinct products of each order."""
    return _orders(rows)[["order_id", "product_id"]].drop_duplicates()


def _count(baskets: pd.DataFrame) -> pd.DataFrame:
    """Distinct orders of each pair of products."""
    pairs = baskets.merge(baskets, on="order_id", suffixes=("_left", "_right"))
    pairs = pairs[pairs["product_id_left"] < pairs["product_id_right"]]
    pairs = pairs.rename(columns={"product_id_left": "left_id", "product_id_right": "right_id"})
    counted = pairs.groupby(PAIR, as_index=False, sort=True).size().rename(columns={"size": "orders"})
    return counted.astype({"orders": np.int64})
