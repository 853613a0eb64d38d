"""Ridge and conditional logit by hand, and the two things that make the logit honest: choice sets and leaving out."""

from dataclasses import replace

import numpy as np
import pytest

from gnn_core.errors import ConfigError, LeakageError
from gnn_core.recommender import Taught
from gnn_core.scoring.peers import ridge as ridge_module
from gnn_core.scoring.peers.conditional_logit import ConditionalLogit, draw_choices, fit_logit
from gnn_core.scoring.peers.evidence import FEATURES, Evidence
from gnn_core.scoring.peers.ridge import Ridge
from tests.contract.recommender_registry import tiny_settings
from tests.core.builders import make_snapshot
from tests.core.scoring.small import scores_by_user

CAMARO, NOVA, MUSTANG = "1969|chevrolet|camaro", "1969|chevrolet|nova", "1969|ford|mustang"
PEERS = tiny_settings().peers
STORE = {
    "owns": {"a": [CAMARO], "b": [NOVA], "c": [MUSTANG], "d": [CAMARO, NOVA], "e": [MUSTANG], "f": [CAMARO], "g": []},
    "fits": {"P0": [CAMARO, NOVA], "P1": [CAMARO, NOVA, MUSTANG], "P2": [MUSTANG], "P3": [CAMARO], "P4": []},
    "products": {"P1": {"part_type": "Wheel", "price": 400.0}, "P4": {"part_type": "Wheel"}},
    "events": [
        ("a", "P0", "order", "2026-01-01"),
        ("a", "P0", "order", "2026-02-01"),
        ("a", "P1", "view", "2026-02-01"),
        ("b", "P1", "order", "2026-01-01"),
        ("d", "P0", "order", "2026-01-01"),
        ("d", "P4", "order", "2026-01-01"),
        ("d", "P1", "cart", "2026-01-01"),
        ("c", "P2", "order", "2026-01-01"),
        ("e", "P2", "order", "2026-01-01"),
    ],
}


def test_ridge_by_hand(monkeypatch):
    monkeypatch.setattr(ridge_module, "_BLOCK_PRODUCTS", 2)
    scores = scores_by_user(Ridge(1.5), make_snapshot(**STORE))
    x = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])  # a b c d e; f and g ordered nothing
    y = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 1], [0, 0, 1, 0, 0]])
    base = y.mean(axis=0)
    weights = np.linalg.solve(x.T @ x + 1.5 * np.eye(3), x.T @ (y - base))
    np.testing.assert_allclose(scores["f"], base + weights[0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(scores["d"], base + weights[0] + weights[1], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(scores["g"], base, rtol=1e-6)


def test_ridge_of_a_vehicle_without_buyers_is_popularity():
    train = make_snapshot(**STORE | {"owns": STORE["owns"] | {"h": ["1980|honda|civic"]}})
    scores = scores_by_user(Ridge(1.5), train)
    assert scores["h"].tolist() == scores["g"].tolist()


def test_ridge_without_orders_is_flat():
    scores = scores_by_user(Ridge(1.0), make_snapshot(owns=STORE["owns"], fits=STORE["fits"]))
    assert scores["a"].tolist() == [0] * 5


def test_a_ridge_penalty_of_zero_is_refused():
    with pytest.raises(ConfigError, match="penalty is 0"):
        Ridge(0)


def _evidence(train):
    return Evidence(train, 2.0, 4.0)


def test_features_by_hand():
    train = make_snapshot(**STORE)
    features = _evidence(train).features(np.array([0, -1]), np.array([0, 1]))
    got = dict(zip(FEATURES, features[0], strict=True))
    # Camaro and P0: 3 of 7 orders; Camaro's owners a, d made 4 orders, Chevrolet's a, b, d made 5.
    base, type_base = 3.5 / (7 + 2.5), (5 + 0.5) / (7 + 1)  # carburetors are P0, P2, P3
    make, type_make = (3 + 4 * base) / 9, (3 + 4 * type_base) / 9
    segment, type_segment = (3 + 2 * make) / 6, (3 + 2 * type_make) / 6
    want = [
        *(np.log(3.5), np.log(0.5), np.log(3.5), np.log(3.5)),
        *(np.log(segment / make), np.log(make / base), np.log(type_segment / type_make), np.log(type_make / type_base)),
        *(np.log(3), np.log(100)),
    ]
    np.testing.assert_allclose(list(got.values()), want)
    # Nothing is known of segment −1: no orders, no lift; P1 has two onlookers and fits all three segments.
    want = [np.log(1.5), np.log(2.5), np.log(0.5), np.log(0.5), 0, 0, 0, 0, np.log(4), np.log(400)]
    np.testing.assert_allclose(features[1], want, atol=1e-12)


def test_a_universal_product_fits_everything():
    evidence = _evidence(make_snapshot(**STORE))
    breadth = evidence.features(np.array([0]), np.array([4]))[0, FEATURES.index("log segments that it fits")]
    assert breadth == pytest.approx(np.log(4))


@pytest.mark.parametrize("user", ["a", "b", "d"])
def test_leaving_a_user_out_is_the_store_without_their_events(user):
    full = make_snapshot(**STORE)
    without = make_snapshot(**STORE | {"events": [e for e in STORE["events"] if e[0] != user]})
    index = list(full.user_ids).index(user)
    for segment in full.owns_US[index].indices:
        cells = np.full(5, segment), np.arange(5)
        left_out = np.full(5, index)
        want = _evidence(without).features(*cells)
        np.testing.assert_allclose(_evidence(full).features(*cells, without_user=left_out), want)
        assert not np.allclose(_evidence(full).features(*cells), want)
        np.testing.assert_allclose(
            _evidence(full).log_orders(cells[1], without_user=left_out), _evidence(without).log_orders(cells[1])
        )


def _choices(train, **changes):
    return draw_choices(_evidence(train), replace(PEERS, **changes), np.random.default_rng(0))


def test_choices_are_what_was_ordered_among_what_fits_the_vehicle():
    train = make_snapshot(**STORE)
    choices = _choices(train, logit_alternatives=30)
    named = [
        (train.user_ids[u], train.segment_ids[s].split("|")[1], int(p), w)
        for u, s, p, w in zip(
            choices.user_C, choices.segment_C, choices.product_CN[:, 0], choices.weight_C, strict=True
        )
    ]
    # d's P0 fits both of d's cars: half a choice in each. d's P4 fits neither: universal.
    assert sorted(named) == [
        ("a", "camaro", 0, 1.0),
        ("b", "nova", 1, 1.0),
        ("c", "mustang", 2, 1.0),
        ("d", "camaro", 0, 0.5),
        ("d", "nova", 0, 0.5),
        ("e", "mustang", 2, 1.0),
    ]
    fits, ordered = train.fits_SP.toarray() > 0, _evidence(train).orders_UP.toarray() > 0
    for u, s, row, is_open in zip(choices.user_C, choices.segment_C, choices.product_CN, choices.open_CN, strict=True):
        assert set(row) == set(np.flatnonzero(fits[s]))  # thirty draws from at most three products: all of them
        assert is_open[0]
        np.testing.assert_array_equal(is_open[1:], ~ordered[u, row[1:]])


def test_choices_beyond_the_most_are_drawn_from():
    train = make_snapshot(**STORE)
    few = _choices(train, logit_choices=3)
    assert few.product_CN.shape == (3, PEERS.logit_alternatives + 1)
    every = set(zip(_choices(train).user_C, _choices(train).product_CN[:, 0], strict=True))
    assert set(zip(few.user_C, few.product_CN[:, 0], strict=True)) < every


def test_the_logit_finds_the_odds_that_made_the_choices():
    # Three of four prefer the product with z = 1, offsets being equal: β = log 3.
    z = np.array([[[1.0], [0.0]]] * 3 + [[[0.0], [1.0]]])
    everything = np.ones((4, 2), dtype=bool)
    assert fit_logit(z, np.zeros((4, 2)), everything, np.ones(4), 1e-9) == pytest.approx(np.log(3), rel=1e-4)
    # An offset that already says three to one leaves nothing to learn.
    offset = np.log(3) * z[:, :, 0]
    assert fit_logit(z, offset, everything, np.ones(4), 1e-9) == pytest.approx(0, abs=1e-4)
    # A closed alternative is none; a choice without any other says nothing.
    closed = np.array([[True, True]] * 3 + [[True, False]])
    weights = np.array([1.0, 0, 0, 5.0])
    alone = fit_logit(z[[0, 3]], np.zeros((2, 2)), closed[[0, 3]], weights[[0, 3]], 1.0)
    assert alone == pytest.approx(fit_logit(z[:1], np.zeros((1, 2)), everything[:1], np.ones(1), 1.0), rel=1e-4)


def test_an_order_does_not_explain_itself():
    # Everybody orders something else: what the segment ordered before says that it is *not* ordered again.
    owns = {f"u{i:02}": [CAMARO] for i in range(12)}
    events = [(u, f"P{i:02}", "order", "2026-01-01") for i, u in enumerate(owns)]
    train = make_snapshot(owns=owns, fits={f"P{i:02}": [CAMARO] for i in range(12)}, events=events)
    logit = ConditionalLogit(PEERS, 0)
    logit.fit(train)
    assert logit.coefficients[FEATURES.index("log orders by owners of the segment")] < -0.1


def test_choices_of_a_later_window_teach_the_logit_and_are_counted_nowhere():
    later = [("f", "P3", "order", "2026-03-05"), ("f", "P1", "view", "2026-03-06"), ("a", "P3", "order", "2026-03-07")]
    whole = make_snapshot(**STORE | {"events": [*STORE["events"], *later]})
    march = np.datetime64("2026-03-01", "us")
    train, choices = whole.before(march), whole.events.between(march, None)
    drawn = draw_choices(_evidence(train), PEERS, np.random.default_rng(0), choices)
    untaught = _choices(train)
    known = sorted(zip(untaught.user_C.tolist(), untaught.product_CN[:, 0].tolist(), strict=True))
    taught = sorted(zip(drawn.user_C.tolist(), drawn.product_CN[:, 0].tolist(), strict=True))
    a, f = (int(np.flatnonzero(whole.user_ids == u)[0]) for u in "af")
    assert taught == sorted([*known, (a, 3), (f, 3)])  # orders, and not the view
    # Neither of a's orders is an alternative to the other.
    of_a = drawn.user_C == a
    assert not drawn.open_CN[of_a][:, 1:][np.isin(drawn.product_CN[of_a][:, 1:], [0, 3])].any()
    logit, plain = ConditionalLogit(PEERS, 0), ConditionalLogit(PEERS, 0)
    logit.teach(choices)
    logit.fit(train)
    plain.fit(train)
    assert not np.array_equal(logit.coefficients, plain.coefficients)
    assert isinstance(logit, Taught)
    with pytest.raises(LeakageError, match="are counted already"):
        logit.fit(whole)


def test_a_logit_without_choices_is_popularity():
    events = [e for e in STORE["events"] if e[1] == "P4"]  # the only orders are of a universal product
    scores = scores_by_user(ConditionalLogit(PEERS, 0), make_snapshot(**STORE | {"events": events}))
    np.testing.assert_allclose(scores["a"], np.log([0.5, 0.5, 0.5, 0.5, 1.5]), rtol=1e-6)


def test_a_row_of_two_segments_takes_the_best_that_fits():
    scores = scores_by_user(
        ConditionalLogit(PEERS, 0), make_snapshot(**STORE | {"owns": STORE["owns"] | {"n": [NOVA]}})
    )
    camaro, nova, both, none = (scores[u] for u in "fndg")
    np.testing.assert_array_equal(both[:2], np.maximum(camaro, nova)[:2])
    assert both[3] == camaro[3]  # fits the Camaro only
    assert both[2] == none[2] == camaro[2]  # fits neither: what is known of the product alone
    assert camaro[0] != none[0]
