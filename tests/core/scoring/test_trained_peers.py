"""Models with a vector a trained user: whose vector a row gets. LightGCN's graph; the proposal's switches."""

import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import sparse

from gnn_core.errors import ConfigError, DataError
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.peers import PEERS, Popularity, make_peer
from gnn_core.scoring.peers.hetero_gat import proposed
from gnn_core.scoring.peers.implicit_bpr import ImplicitBpr
from gnn_core.scoring.peers.light_gcn import LightGcn, _normalised
from gnn_core.scoring.peers.trained_users import TrainedUsers
from tests.contract.recommender_registry import tiny_settings
from tests.core.builders import make_snapshot

CAMARO, NOVA, CIVIC = "1969|chevrolet|camaro", "1969|chevrolet|nova", "1980|honda|civic"
STORE = {
    "owns": {"a": [CAMARO], "b": [NOVA], "c": [CAMARO, NOVA], "d": [CAMARO, CIVIC], "e": [CIVIC], "v": [CAMARO]},
    "fits": {p: [CAMARO, NOVA, CIVIC] for p in ("P0", "P1", "P2")},
    "events": [
        ("a", "P0", "order", "2026-01-01"),
        ("b", "P2", "view", "2026-01-01"),
        ("c", "P0", "view", "2026-01-01"),
    ],
}
SETTINGS = tiny_settings()


def test_a_row_is_its_trained_user_or_its_segments_owners_or_unknown():
    store = {"owns": STORE["owns"] | {"w": [CAMARO]}, "events": [*STORE["events"], ("w", "P0", "view", "2026-01-01")]}
    train = make_snapshot(**STORE | store)
    users = np.array([0, 1, 6])  # a, b and w are trained; c is warm, but was not
    rows = TrainedUsers(train, users, np.array([[1, 0], [0, 2], [3, 0]]), np.array([0, 2]), np.array([[3, 1], [1, 5]]))
    popularity = Popularity()
    popularity.fit(train)
    audience, row = build_audience(train, np.arange(len(train.user_ids)))
    rows.prepare(audience)
    a, b, c, d, e, v, w = rows.score_block(0, len(audience), popularity)[row].tolist()
    assert a == [3, 1, 1]  # P1, which nobody touched, shares the last place
    assert b == [2, 2, 10]
    assert w == [9, 3, 3]
    assert v == [6, 2, 2]  # the Camaro's owners a and w: (2, 0)
    assert c == [4, 4, 6]  # mean of the Camaro's (2, 0) and the Nova's (0, 2)
    assert d == v  # no owner of a Civic is trained, so the Camaro speaks alone
    assert e == [1, 0, 0]  # popularity


@pytest.mark.parametrize("model", [ImplicitBpr, LightGcn])
def test_without_events_there_is_nothing_to_train_on(model):
    train = make_snapshot(owns=STORE["owns"], fits=STORE["fits"])
    with pytest.raises(DataError, match="no event before 2026-06-01"):
        model(SETTINGS.peers, 1, silent=Popularity()).fit(train)


def test_light_gcn_propagates_over_the_symmetrically_normalised_graph():
    touched = sparse.csr_matrix(np.array([[1, 1], [0, 3]], dtype=np.float32))  # three views are one edge
    dense = _normalised(touched).to_dense().numpy()
    one, half = np.sqrt(1 / 2), 1 / 2
    users = [[one, half], [0, one]]
    np.testing.assert_allclose(dense[:2, 2:], users, rtol=1e-6)
    np.testing.assert_allclose(dense, dense.T)
    assert not dense[:2, :2].any()
    assert not dense[2:, 2:].any()


def test_light_gcn_never_ranks_a_product_above_another_that_the_user_touched_too():
    # Everyone touched everything, so no draw is usable and no step is made, however many are asked for.
    train = make_snapshot(**STORE | {"events": [(u, p, "view", "2026-01-01") for u in "ab" for p in STORE["fits"]]})
    scores = []
    for steps in (1, 5):
        model = LightGcn(replace(SETTINGS.peers, light_gcn_steps=steps), 1, silent=Popularity())
        model.fit(train)
        audience, _ = build_audience(train, np.arange(2))
        model.prepare(audience)
        scores.append(model.score_block(0, 2))
    assert np.isfinite(scores[0]).all()
    np.testing.assert_array_equal(*scores)


def test_another_seed_is_another_model():
    for model in (ImplicitBpr, LightGcn):
        train = make_snapshot(**STORE)
        scores = []
        for seed in (1, 1, 2):
            fitted = model(SETTINGS.peers, seed, silent=Popularity())
            fitted.fit(train)
            audience, _ = build_audience(train, np.arange(6))
            fitted.prepare(audience)
            scores.append(fitted.score_block(0, len(audience)))
        np.testing.assert_array_equal(scores[0], scores[1])
        assert not np.array_equal(scores[0], scores[2])


def test_hetero_gat_is_the_graph_model_under_the_proposals_switches_and_nothing_else():
    before = asdict(SETTINGS)
    after = proposed(SETTINGS)
    assert asdict(SETTINGS) == before
    changed = {
        (section, key): value
        for section, values in asdict(after).items()
        for key, value in values.items()
        if value != before[section][key]
    }
    assert changed == {
        ("model", "encoder"): "gat",
        ("model", "user_id_embedding"): True,
        ("model", "product_id_embedding"): True,
        ("model", "sparse_terms"): False,
        ("model", "popularity_bias"): False,
        ("model", "slack"): False,
        ("model", "vehicle_factors"): 0,
        ("model", "item_factors"): 0,
        ("model", "spectral_factors"): 0,
        ("model", "fitment_factors"): 0,
        ("training", "loss"): "bce",
        ("training", "learning_rate"): SETTINGS.peers.hetero_gat_learning_rate,
        ("training", "loss_tau_days"): SETTINGS.graph.decay_tau_days,
    }
    scaled = proposed(replace(SETTINGS, peers=replace(SETTINGS.peers, hetero_gat_scale=15.0)))
    assert scaled.model.scale_init == 15.0


def test_make_peer_makes_every_peer_by_its_name():
    for name in PEERS:
        assert make_peer(name, SETTINGS, np.ones(3, dtype=bool)).name == name
    with pytest.raises(ConfigError, match=r"'bpr'.*popularity, smoother.*implicit_bpr"):
        make_peer("bpr", SETTINGS, np.ones(3, dtype=bool))


def test_naming_the_peers_imports_neither_torch_nor_implicit():
    code = "import sys, gnn_core.scoring.peers; sys.exit(bool({'torch', 'implicit'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [("ridge_penalty", 0.0), ("logit_alternatives", 0), ("gf_cf_low_pass", -0.1), ("ease_own_history", -1.0)],
)
def test_a_setting_out_of_range_is_named(key, value):
    with pytest.raises(ConfigError, match=f"peers.{key}"):
        replace(SETTINGS.peers, **{key: value})
