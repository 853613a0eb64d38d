"""The warm protocol on a few invoice lines."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from gnn_core.contracts import CONTRACTS, violations
from gnn_core.errors import ContractError, DataError
from gnn_core.graph.split import build_timeline
from gnn_core.stores.public import load_store

NAMES = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID")
LINES = [
    ("1001", "12345", "BLUE MUG", 6.0, "2011-01-05 08:26", 2.55, 17.0),
    ("1001", "12345", "BLUE MUG", 4.0, "2011-01-05 08:27", 2.55, 17.0),  # the same product twice on an invoice
    ("1001", "12399", None, 1.0, "2011-01-05 08:26", 9.0, 17.0),
    ("1002", "12345", " MUG, BLUE", 2.0, "2011-12-09 12:50", 2.55, 18.0),
    ("C1003", "12345", "BLUE MUG", 1.0, "2011-03-01", 2.55, 17.0),  # from here on: lines that do not count
    ("1004", "12345", "BLUE MUG", -1.0, "2011-03-01", 2.55, 17.0),
    ("1005", "12345", "BLUE MUG", 1.0, "2011-03-01", 0.0, 17.0),
    ("1006", "12345", "BLUE MUG", 1.0, "2011-03-01", 2.55, None),
    ("1007", "12345B", "BLUE MUG", 1.0, "2011-03-01", 2.55, 19.0),
    ("1008", "POST", "POSTAGE", 1.0, "2011-03-01", 18.0, 19.0),
]


@pytest.fixture
def save(write):
    """Write invoice lines, with some columns replaced."""

    def to_file(lines, **changes):
        frame = pd.DataFrame(lines, columns=list(NAMES)).assign(**changes)
        if "InvoiceDate" not in changes:
            frame["InvoiceDate"] = pd.to_datetime(frame["InvoiceDate"], format="mixed")
        return write("bills", frame.to_dict("list"))

    return to_file


def test_lines_that_count_become_orders_one_a_product_and_invoice(save, tmp_path):
    save(LINES)
    frames = {name: table.to_pandas() for name, table in load_store("bills", tmp_path).tables.items()}
    name = dict(zip(frames["products"]["product_id"], frames["products"]["name"], strict=True))
    got = [
        (e.user_id, name[e.product_id], e.event_type, f"{e.event_ts:%Y-%m-%d %H:%M}", e.order_id, e.quantity)
        for e in frames["events"].itertuples()
    ]
    assert sorted(got) == [
        ("U17", "BLUE MUG", "order", "2011-01-05 08:26", "1001", 10),
        ("U17", "Item 12399", "order", "2011-01-05 08:26", "1001", 1),
        ("U18", "BLUE MUG", "order", "2011-12-09 12:50", "1002", 2),
    ]
    assert set(frames["products"]["part_type"]) == {"Family 123"}
    assert set(frames["products"]["price"]) == {100.0}
    assert list(frames["users"]["user_id"]) == ["U17", "U18"]
    assert [v for table in CONTRACTS for v in violations(table, frames)] == []


@pytest.mark.parametrize(("rebuy", "name"), [(False, "bills"), (True, "bills_rebuy")])
def test_windows_and_what_counts(save, tmp_path, settings_of, rebuy, name):
    save(LINES)
    settings = settings_of(load_store("bills", tmp_path, rebuy=rebuy))
    assert settings.store.name == name
    assert settings.evaluation.new_products_only is not rebuy
    assert settings.evaluation.require_history
    assert settings.sources.event_stream_start == dt.date(2011, 1, 5)
    timeline = build_timeline(np.datetime64(settings.store.last_week) + 7, settings.split)
    assert [(c.role, str(c.start)[:10], c.fitted_before == c.start) for c in timeline.cuts] == [
        ("validation", "2011-06-01", True),
        ("validation", "2011-08-01", True),
        ("validation", "2011-09-01", True),
        ("test", "2011-10-01", True),
        ("test", "2011-11-01", True),
    ]
    assert timeline.as_of == np.datetime64("2011-12-05")  # the Monday after Thursday 1 December


def test_windows_of_other_years_are_counted_back_from_the_end(save, tmp_path):
    twice = [LINES[0], LINES[0]]
    save(twice, InvoiceDate=pd.to_datetime(["2020-07-31", "2021-03-03"]))  # 30 days before the end: 1 February
    split = load_store("bills", tmp_path).profile["split"]
    assert split["explicit_validation_cutoffs"] == ["2020-09-01", "2020-11-01", "2020-12-01"]
    assert split["explicit_test_cutoffs"] == ["2021-01-01", "2021-02-01"]
    save(twice, InvoiceDate=pd.to_datetime(["2020-08-03", "2021-03-03"]))
    with pytest.raises(DataError, match="first validation cutoff would be 2020-09-01"):
        load_store("bills", tmp_path)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param({"Quantity": 1.5}, ContractError, r"Quantity: row 0 holds 1\.5", id="half a mug"),
        pytest.param({"InvoiceDate": "today"}, ContractError, "InvoiceDate is object", id="dates as text"),
        pytest.param({"UnitPrice": None}, ContractError, r"UnitPrice: 10 null", id="no price"),
        pytest.param({"CustomerID": None}, DataError, "no line has a customer", id="nobody"),
    ],
)
def test_broken_invoices_are_refused_with_their_file(save, tmp_path, change, error, message):
    save(LINES, **change)
    with pytest.raises(error, match=r"bills\.parquet.*" + message):
        load_store("bills", tmp_path)
