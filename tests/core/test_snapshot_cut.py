"""Cutting a store in time: what is at or after the moment is gone."""

import numpy as np
import pandas as pd
import pytest

from gnn_core.snapshot import micros
from tests.core.builders import make_snapshot

CAR = "1969|ford|mustang"


@pytest.mark.parametrize(
    ("moment", "want"),
    [
        ("1970-01-02", 86_400_000_000),
        (np.datetime64("1970-01-01T00:00:01", "s"), 1_000_000),
        (pd.Timestamp("1970-01-01 02:00", tz="Europe/Berlin"), 3_600_000_000),
    ],
)
def test_micros_are_microseconds_whatever_the_unit_of_the_moment(moment, want):
    assert micros(moment) == want


def test_events_at_or_after_the_cutoff_are_gone():
    days = ["2026-04-30", "2026-05-01", "2026-05-31", "2026-06-01"]
    snapshot = make_snapshot(owns={"u": [CAR]}, fits={"A": [CAR]}, events=[("u", "A", "view", d) for d in days])
    assert len(snapshot.events) == 3  # as of 2026-06-01, exclusive
    assert len(snapshot.before(np.datetime64("2026-05-01")).events) == 1
    assert snapshot.before(np.datetime64("2026-05-01")).as_of == np.datetime64("2026-05-01")
