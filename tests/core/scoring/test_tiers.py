"""Cold, warm, hot at a moment."""

from dataclasses import replace

import numpy as np

from gnn_core.scoring.tiers import engagement_tiers
from tests.core.builders import make_snapshot

CAR = "1969|ford|mustang"


def test_tiers_are_over_all_history_before_the_moment():
    snapshot = make_snapshot(
        owns={u: [CAR] for u in ("cart", "cold", "old_order", "order_then_view", "view")},
        fits={"A": [CAR]},
        events=[
            ("view", "A", "view", "2026-05-01"),
            ("view", "A", "order", "2026-06-01"),  # not before the moment
            ("cart", "A", "cart", "2026-05-01"),
            ("old_order", "A", "order", "2019-05-01"),
            ("order_then_view", "A", "order", "2026-04-01"),
            ("order_then_view", "A", "view", "2026-05-01"),
        ],
    )
    assert engagement_tiers(snapshot).tolist() == ["hot", "cold", "hot", "hot", "warm"]
    # A snapshot that was not cut, only dated, tells no more.
    moment = np.datetime64("2026-04-15", "us")
    assert engagement_tiers(replace(snapshot, as_of=moment)).tolist() == ["cold", "cold", "hot", "hot", "cold"]
    earlier = snapshot.before(np.datetime64("2026-04-15"))
    assert engagement_tiers(earlier).tolist() == ["cold", "cold", "hot", "hot", "cold"]
