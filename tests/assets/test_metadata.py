"""What Dagster's page shows: it keeps it for good, so nobody stands in it by name."""

import hashlib

import pandas as pd

from gnn_assets import metadata


def test_who_a_row_is_about_is_shown_by_a_pseudonym_and_all_else_as_it_is():
    frame = pd.DataFrame({"user_id": ["u-17"], "order_id": ["day 3 user u-17"], "product_id": ["P1"], "price": [60.0]})
    shown = metadata.rows(frame).md_str
    assert "u-17" not in shown
    assert hashlib.sha256(b"u-17").hexdigest()[:12] in shown
    assert "| P1 | 60 |" in shown
    assert frame["user_id"][0] == "u-17"
