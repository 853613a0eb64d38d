"""Which pairs are hidden: a share of each user's, whole, never all of them."""

from __future__ import annotations

import numpy as np

from gnn_core.snapshot import ORDER, VIEW
from gnn_core.training.hidden_pairs import hidden_events
from tests.core.model.tiny import events_of


def drawn(rows: list[tuple], share: float = 0.2, seed: int = 0) -> list[tuple[int, int]]:
    events = events_of(*rows)
    mask = hidden_events(events, 100, share, np.random.default_rng(seed))
    return list(zip(events.user_E[mask].tolist(), events.product_E[mask].tolist(), strict=True))


def test_a_share_of_each_users_pairs_at_least_one_never_all():
    rows = [(u, p, ORDER, 1) for u, n in enumerate((1, 2, 3, 10, 14)) for p in range(n)]
    got = np.bincount([u for u, _ in drawn(rows)], minlength=5)
    assert got.tolist() == [0, 1, 1, 2, 3]
    assert np.bincount([u for u, _ in drawn(rows, share=1.0)], minlength=5).tolist() == [0, 1, 2, 9, 13]


def test_a_pair_is_hidden_with_all_its_events():
    rows = [(0, p, kind, day) for day, kind in enumerate((VIEW, VIEW, ORDER)) for p in range(5)]
    for seed in range(10):
        got = drawn(rows, seed=seed)
        assert len(got) == 3
        assert len(set(got)) == 1


def test_every_pair_can_be_drawn_and_a_seed_decides():
    rows = [(u, p, ORDER, 1) for u in range(2) for p in range(5)]
    assert {pair for seed in range(60) for pair in drawn(rows, seed=seed)} == {(u, p) for u, p, _, _ in rows}
    assert drawn(rows, seed=3) == drawn(rows, seed=3)


def test_without_events_nothing_is_hidden():
    assert drawn([]) == []
