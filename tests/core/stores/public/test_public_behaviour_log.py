"""The warm protocol on a log of a few users."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from gnn_core.contracts import CONTRACTS, violations
from gnn_core.errors import ContractError, DataError
from gnn_core.graph.split import build_timeline
from gnn_core.stores.public import load_store

DAY = 86_400
START = 1_700_000_000  # 2023-11-14 22:13:20 UTC
LOG = [
    (7, 30, "view", START),
    (7, 30, "order", START + 5),
    (7, 31, "order", START + 5),
    (7, 32, "order", START + 6),
    (8, 30, "cart", START + 150 * DAY),  # 2024-04-12 22:13:20
    (8, 30, "cart", START + 150 * DAY),  # a repeated row
]


def columns(log):
    return dict(zip(("user_id", "item_id", "behavior", "ts"), map(list, zip(*log, strict=True)), strict=True))


def test_a_log_becomes_events_of_a_shop_where_one_vehicle_fits_everything(write, tmp_path):
    write("shop_events", columns(LOG))
    store = load_store("shop", tmp_path)
    frames = {name: table.to_pandas() for name, table in store.tables.items()}
    item = dict(zip(frames["products"]["product_id"], frames["products"]["name"], strict=True))
    got = [
        (e.user_id, item[e.product_id], e.event_type, f"{e.event_ts:%Y-%m-%d %H:%M:%S}", e.order_id)
        for e in frames["events"].itertuples()
    ]
    assert sorted(got, key=str) == [
        ("U7", "Item 30", "order", "2023-11-14 22:13:25", f"U7-{START + 5}"),
        ("U7", "Item 30", "view", "2023-11-14 22:13:20", None),
        ("U7", "Item 31", "order", "2023-11-14 22:13:25", f"U7-{START + 5}"),
        ("U7", "Item 32", "order", "2023-11-14 22:13:26", f"U7-{START + 6}"),
        ("U8", "Item 30", "cart", "2024-04-12 22:13:20", None),
    ]
    assert set(item.values()) == {"Item 30", "Item 31", "Item 32"}
    assert list(frames["vehicles"]["segment_id"]) == ["any|any"]
    assert (len(frames["ownership"]), len(frames["fitment"])) == (2, 3)
    assert [v for name in CONTRACTS for v in violations(name, frames, as_of=pd.Timestamp("2024-04-15", tz="UTC"))] == []


def test_windows_and_what_counts(write, tmp_path, settings_of):
    write("shop", columns(LOG))
    settings = settings_of(load_store("shop", tmp_path))
    assert settings.evaluation.positive_events == ("order",)
    assert settings.evaluation.new_products_only
    assert settings.evaluation.require_history
    assert settings.sources.event_stream_start == dt.date(2023, 11, 14)
    timeline = build_timeline(np.datetime64(settings.store.last_week) + 7, settings.split)
    assert timeline.as_of == np.datetime64("2024-04-15")  # a Monday; the last window ends on Friday the 12th
    assert [(c.role, str(c.start)[:10], c.fitted_before == c.start) for c in timeline.cuts] == [
        ("validation", "2024-01-13", True),
        ("test", "2024-02-02", True),
        ("test", "2024-02-22", True),
        ("test", "2024-03-13", True),
    ]


def test_ids_of_products_do_not_follow_the_numbers_of_items_and_types_are_many(write, tmp_path):
    log = [(1, i, "order", START + i * 17_000) for i in range(1000)]
    write("shop", columns(log))
    products = load_store("shop", tmp_path).tables["products"].to_pandas()
    numbers = products["name"].str.removeprefix("Item ").astype(int)
    assert abs(np.corrcoef(numbers, np.arange(1000))[0, 1]) < 0.1
    assert products.groupby("part_type").size().to_list() == [10] * 100


def test_ids_may_be_text_and_loading_twice_gives_the_same_bytes(write, tmp_path):
    write("shop", columns([(f"u{u} ", f"sku-{i}", b, ts) for u, i, b, ts in LOG]))
    one, two = load_store("shop", tmp_path), load_store("shop", tmp_path)
    assert set(one.tables["users"]["user_id"].to_pylist()) == {"Uu7", "Uu8"}
    assert all(one.tables[name].equals(table) for name, table in two.tables.items())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param({"behavior": ["view", "buy"]}, ContractError, r"behavior: 1 value.*'buy'", id="unknown behaviour"),
        pytest.param({"ts": [START * 1000] * 2}, ContractError, r"ts: 2 value.*no seconds", id="milliseconds"),
        pytest.param({"ts": [START + 0.5] * 2}, ContractError, r"ts: row 0 holds .*no whole number", id="half seconds"),
        pytest.param({"user_id": [1, None]}, ContractError, r"user_id: 1 null.*row 1", id="null user"),
        pytest.param({"item_id": [b"x", b"y"]}, ContractError, r"item_id is .*ids must be", id="bytes as ids"),
        pytest.param({"behavior": ["view", "cart"]}, DataError, "no order", id="no order"),
        pytest.param({"ts": [START, START + 119 * DAY]}, DataError, "A log of 120 days", id="too short"),
    ],
)
def test_a_broken_log_is_refused_with_its_file(write, tmp_path, change, error, message):
    good = {"user_id": [1, 2], "item_id": [5, 6], "behavior": ["view", "order"], "ts": [START, START + 121 * DAY]}
    write("shop", good)
    load_store("shop", tmp_path)
    write("shop", good | change)
    with pytest.raises(error, match=r"shop\.parquet.*" + message):
        load_store("shop", tmp_path)
