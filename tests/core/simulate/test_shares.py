"""A simulated store is near to what the real one is known for."""

import numpy as np
import pytest

from gnn_core.simulate import Share, format_shares
from gnn_core.simulate.ledger import ORDER
from gnn_core.simulate.measure import _new_skus, _viewed_before


def reached(store) -> dict[str, float]:
    return {row.name: row.reached for row in store.shares()}


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        # The demo has 95 % cold users where the real store has 98 %: with 2 % of 30,000 users nothing could be judged.
        pytest.param("cold users", 0.945, 0.955, id="cold"),
        pytest.param("warm users", 0.033, 0.037, id="warm"),
        pytest.param("hot users", 0.014, 0.016, id="hot"),
        pytest.param("buyers who buy again", 0.155, 0.205, id="again"),
        pytest.param("SKUs sold in the window, not before it", 0.32, 0.43, id="new SKUs"),
        pytest.param("buyers who had viewed what they bought", 0.10, 0.21, id="viewed"),
        pytest.param("buyers whom the segment's top 4 hit", 0.05, 0.14, id="top 4"),
        pytest.param("attribute values in long_value", 0.17, 0.18, id="long values"),
        pytest.param("users with e-mail consent", 0.50, 0.52, id="consent"),
        pytest.param("users with several vehicles", 0.075, 0.085, id="several vehicles"),
        pytest.param("evaluable users of the test window", 800, 1100, id="power"),
        pytest.param("hits of the cascade's top 10 among them", 150, 600, id="baseline hits"),
    ],
)
def test_the_demo_is_near_its_aims(small, name, low, high):
    assert low <= reached(small)[name] <= high


def test_trial_worlds_have_power(null_store, structured_store):
    for store in (null_store, structured_store):
        assert reached(store)["evaluable users of the test window"] > 600
        assert reached(store)["hits of the cascade's top 10 among them"] > 200


@pytest.mark.slow
def test_the_full_size_reaches_its_aims():
    from gnn_core.simulate import simulate

    shares = reached(simulate("full", seed=5))
    assert shares["cold users"] == pytest.approx(0.98, abs=0.001)
    assert shares["warm users"] == pytest.approx(0.015, abs=0.001)
    assert shares["hot users"] == pytest.approx(0.005, abs=0.001)
    assert shares["buyers who buy again"] == pytest.approx(0.18, abs=0.015)
    assert shares["SKUs sold in the window, not before it"] == pytest.approx(0.37, abs=0.03)
    assert shares["buyers who had viewed what they bought"] == pytest.approx(0.15, abs=0.04)
    assert shares["buyers whom the segment's top 4 hit"] == pytest.approx(0.09, abs=0.03)
    assert shares["interactions of fitment users"] == pytest.approx(90_000, rel=0.1)
    assert shares["product × make/model pairs"] == pytest.approx(500_000, rel=0.05)
    assert shares["make/models"] == 2_000


def test_tiers_partition_the_users(tiny):
    shares = reached(tiny)
    assert shares["cold users"] + shares["warm users"] + shares["hot users"] == pytest.approx(1.0)


def test_shares_are_recounted_from_the_ledger(tiny):
    """Two figures, counted the slow way."""
    truth = tiny.truth
    rows = list(zip(truth.ledger.person_E, truth.ledger.product_E, truth.ledger.kind_E, truth.ledger.ts_E, strict=True))
    start, end = (np.datetime64(d, "us").astype(int) for d in ("2026-01-31", "2026-03-02"))
    sold = [(u, p, t) for u, p, k, t in rows if k == ORDER and start <= t < end]
    seen = {u for u, p, t in sold if any(v == u and q == p and k == 0 and s < t for v, q, k, s in rows)}
    window = truth.ledger.take(
        (truth.ledger.kind_E == ORDER) & (truth.ledger.ts_E >= start) & (truth.ledger.ts_E < end)
    )
    assert _viewed_before(truth.ledger, window) == pytest.approx(len(seen) / len({u for u, _, _ in sold}))
    stream = np.datetime64("2025-09-01", "us").astype(int)
    before = {p for _, p, k, t in rows if k == ORDER and stream <= t < start}
    now = {p for _, p, _ in sold}
    assert _new_skus(truth.ledger, end) == pytest.approx(len(now - before) / len(now))


def test_format_shows_aim_and_miss():
    text = format_shares(
        [Share("cold users", 0.98, 0.95, "%", "no event"), Share("interactions", None, 90_123.0, "count", "")]
    )
    assert text.splitlines() == [
        "share          aimed  reached",
        "cold users    98.0 %   95.0 %  no event",
        "interactions       -   90,123",
    ]
