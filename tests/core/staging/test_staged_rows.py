"""The contract rows of the wart store, each written down by hand, and the count of everything left out."""

import pandas as pd
import pytest

from gnn_core.contracts import CONTRACTS, conform, require
from gnn_core.snapshot import build_snapshot
from tests.core.staging.raw_store import AS_OF, WEEK, at, rows_of

MUSTANG_2018, MUSTANG_2015, MUSTANG_1967 = "2018|ford|mustang", "2015|ford|mustang", "1967|ford|mustang gt"
EXPECTED = {
    "users": [
        ("u1", True, at("2025-01-05")),
        ("u2", True, at("2025-02-01")),
        ("u7", False, at("2025-01-01")),
        ("u8", False, at("2025-01-01")),
        ("u9", False, at("2025-01-01")),
    ],
    "vehicles": [
        (MUSTANG_1967, 1967, "ford", "mustang gt", "ford|mustang gt"),
        ("2001|porsche|911", 2001, "porsche", "911", "porsche|911"),
        (MUSTANG_2015, 2015, "ford", "mustang", "ford|mustang"),
        (MUSTANG_2018, 2018, "ford", "mustang", "ford|mustang"),
        ("2019|ford|bronco", 2019, "ford", "bronco", "ford|bronco"),
    ],
    "ownership": [
        ("u1", MUSTANG_2015),
        ("u2", MUSTANG_1967),
        ("u2", MUSTANG_2018),
        ("u7", MUSTANG_2018),
        ("u8", "2001|porsche|911"),
        ("u9", MUSTANG_2018),
    ],
    "products": [
        ("ABC", "ABC", "UNKNOWN", None, True, False, None, None, "ABC"),
        (
            *("ABC-1", "Carburetor ABC-1", "Carburetor", 90.0, False, False),
            *("https://cdn.x/b.jpg", "https://x/abc-1", "ABC-1"),
        ),
        ("ABC-1B", "Carburetor ABC-1B", "Carburetor", None, False, False, None, None, "ABC-1"),
        ("DEF-2", "Wheel Set DEF-2", "Wheel Set", 75.0, False, True, None, None, "DEF-2"),
        # Its only fitment row has no year: made for some vehicle, so not universal, though it fits none we know.
        ("GHI-3", "GHI-3", "UNKNOWN", None, False, False, None, None, "GHI-3"),
        ("UNI-4", "T-Shirt UNI-4", "T-Shirt", None, True, False, None, None, "UNI-4"),
    ],
    "fitment": [
        ("ABC-1", MUSTANG_2015),
        ("ABC-1", MUSTANG_2018),
        ("ABC-1B", MUSTANG_2018),
        ("DEF-2", MUSTANG_1967),
        ("DEF-2", MUSTANG_2015),
    ],
    "events": [
        ("u1", "ABC-1", "order", at("2025-01-10"), "day 2025-01-10 user u1", 1, None),
        ("u1", "ABC-1", "view", at("2025-08-15"), None, 1, None),
        ("u1", "ABC-1", "view", at("2026-01-01"), None, 1, 1099.5),
        ("u1", "ABC-1", "view", at("2026-02-01"), None, 1, None),
        ("u1", "UNI-4", "order", at("2026-04-01 08:00"), "day 2026-04-01 user u1", 1, None),
        ("u2", "ABC-1", "order", at("2026-03-01 10:00"), "A1", 3, 90.0),
        ("u2", "ABC-1", "order", at("2026-03-01 18:00"), "17", 1, None),
        ("u2", "ABC-1", "view", at("2026-01-15"), None, 1, 80.0),
        ("u2", "ABC-1B", "cart", at("2026-02-10"), None, 1, None),
        ("u2", "DEF-2", "cart", at("2026-02-10"), None, 2, 75.0),
        ("u2", "DEF-2", "order", at("2025-08-31"), "day 2025-08-31 user u2", 1, None),
        ("u2", "DEF-2", "order", at("2026-03-01 10:00"), "A1", 1, None),
        ("u2", "DEF-2", "view", at("2026-02-02"), None, 1, None),
        ("u7", "ABC-1", "view", at("2026-02-03"), None, 1, None),
        ("u7", "DEF-2", "view", at("2026-02-03"), None, 1, None),
    ],
    "sends": [
        ("t1", "u1", "sql", at("2026-05-01"), None),
        ("t2", "no vehicle", "sql", at("2026-05-01"), None),
    ],
    "engagements": [
        ("t1", "open", at("2026-05-02")),
        ("t1", "click", at("2026-05-02 01:00")),
        ("t1", "click", at("2026-05-03")),
    ],
}
DROPS = {
    "users": {
        "user without a valid vehicle": 3,
        "attribute row without user_id": 2,
        "attribute row at or after the as-of date": 2,
    },
    "vehicles": {
        "user vehicle: year is no model year": 4,
        "user vehicle: no make or model": 1,
        "fitment row: year is no model year": 1,
        "fitment row: no make or model": 1,
    },
    "ownership": {
        "year is no model year": 4,
        "no make or model": 1,
        "vehicle named twice by its user": 1,
    },
    "products": {
        "blank part number": 1,
        "repeated part number": 1,
        "event price not positive, ignored": 2,
        "image address not http, ignored": 1,
    },
    "fitment": {
        "repeated pair": 2,
        "no product number": 2,
        "year is no model year": 1,
        "no make or model": 1,
        "product not in the catalogue": 1,
    },
    "events": {
        # Three more reports of A1's ABC-1, one of its DEF-2, one of UNI-4's day, one of the order history.
        "order reported more than once": 6,
        "repeated event": 1,
        "event: name not used": 2,
        "event: no product named": 2,
        "event: no timestamp": 1,
        "event: at or after the as-of date": 1,
        "event: unknown user": 2,
        "event: unknown product": 1,
        "event: quantity not positive": 1,
        "event: order before the event stream starts": 1,
        "order history: date not understood": 3,
        "order history: on or after the event stream starts": 1,
        "order history: unknown user": 1,
        "order history: unknown product": 1,
        "order history: no product named": 1,
    },
    "sends": {
        "repeated tracking id": 1,
        "at or after the as-of date": 1,
        "no timestamp": 1,
        "no tracking id": 1,
        "no user": 1,
        "no arm": 1,
    },
    "engagements": {
        "repeated row": 1,
        "interaction type not used": 1,
        "unknown tracking id": 1,
        "at or after the as-of date": 1,
        "no timestamp": 1,
    },
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_rows_are_those_written_by_hand(staged, name):
    warehouse, _ = staged
    assert rows_of(warehouse, name) == sorted(EXPECTED[name], key=repr)


@pytest.mark.parametrize("name", CONTRACTS)
def test_everything_left_out_is_counted_by_reason(staged, name):
    _, drops = staged
    assert {d.reason: d.rows for d in drops[name]} == DROPS[name]
    assert {d.table for d in drops[name]} == {name}
    assert [d.rows for d in drops[name]] == sorted((d.rows for d in drops[name]), reverse=True)


def test_staged_tables_keep_the_contract_and_become_a_snapshot(staged):
    warehouse, _ = staged
    tables = {name: warehouse.read(WEEK.table(name)) for name in CONTRACTS}
    for name, table in tables.items():
        assert table.schema.types == CONTRACTS[name].schema.types
    frames = {name: conform(name, table).to_pandas() for name, table in tables.items()}
    require(frames, as_of=pd.Timestamp(WEEK.moment))
    snapshot = build_snapshot(frames, pd.Timestamp(AS_OF).to_datetime64())
    assert len(snapshot.events) == len(EXPECTED["events"])


def test_nothing_but_the_tables_of_the_week_stays_behind(staged):
    warehouse, _ = staged
    assert warehouse.list_tables("work") == sorted(f"{name}_20260601" for name in CONTRACTS)
