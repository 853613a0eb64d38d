"""The graph model end to end on worlds whose answer is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from gnn_core.config.paths import PRODUCT_FEATURES
from gnn_core.errors import ArtifactError, DataError, DivergedError, ShapeError
from gnn_core.graph.hetero import INTERACTS
from gnn_core.model.network import Network
from gnn_core.model.recommender import GraphRecommender
from gnn_core.scoring.audience import build_audience
from gnn_core.training.checkpoint import from_bytes, to_bytes
from gnn_core.training.determinism import pinned
from gnn_core.training.examples import fold_of_users
from gnn_core.training.plan import build_plan
from gnn_core.training.warm_start import start_from, table_rows
from tests.core.builders import AS_OF, make_snapshot
from tests.core.model.worlds import (
    AS_PROPOSED,
    HALF,
    N_MAKES,
    cold_scores,
    share_of_right_pairs,
    small_settings,
    two_platforms,
)

WORLD = two_platforms()
VARIANTS = {
    "light": ({}, {}),
    "sage": ({"encoder": "sage"}, {}),
    "gat": ({"encoder": "gat"}, {}),
    "proposal": (AS_PROPOSED, {"loss": "bce"}),
    "all ids": ({"product_id_embedding": True, "user_id_embedding": True}, {}),
}


def fitted(train=WORLD, *, model=None, training=None, **options) -> GraphRecommender:
    recommender = GraphRecommender(small_settings(model, training), **options)
    recommender.fit(train)
    return recommender


@pytest.fixture(scope="module")
def trained() -> GraphRecommender:
    return fitted()


# Known answer


def test_a_cold_owner_is_shown_what_the_platform_likes_though_the_segment_never_took_it(trained):
    assert share_of_right_pairs(trained, WORLD) > 0.95


def test_the_initialisation_alone_already_carries_taste_over_the_item_graph():
    assert share_of_right_pairs(fitted(max_steps=0), WORLD) > 0.9


def test_training_without_factors_finds_it_too():
    plain = {"vehicle_factors": 0, "item_factors": 0, "product_id_embedding": True}
    fast = {"embedding_learning_rate": 0.03, "learning_rate": 0.03, "weight_averaging": 0.5}
    before = share_of_right_pairs(fitted(model=plain, max_steps=0), WORLD)
    assert before < 0.65  # popularity is the same for all, so the initialisation knows nothing
    assert share_of_right_pairs(fitted(model=plain, training=fast, max_steps=40), WORLD) > 0.95


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_and_its_loss_falls(variant):
    model, training = VARIANTS[variant]
    fast = {"learning_rate": 0.03, "embedding_learning_rate": 0.03, "validate_every": 3}  # every fold once an entry
    recommender = fitted(model=model, training=training | fast, max_steps=24)
    losses = [entry["loss"] for entry in recommender.history]
    assert losses[-1] < 0.97 * losses[0]
    assert np.isfinite(np.stack(list(cold_scores(recommender, WORLD).values()))).all()


def test_the_users_own_history_moves_their_scores(trained):
    """A user whose segment is of platform 0 but who has ordered two products of platform 1."""
    turncoat = tuple(("cold000", f"P{p:02d}", "order", "2026-05-28") for p in (HALF, HALF + 1))
    world = two_platforms(extra_events=turncoat)
    audience, row = build_audience(world, np.array([list(world.user_ids).index(u) for u in ("cold000", "cold001")]))
    trained.prepare(audience)
    turned, loyal = trained.score_block(0, len(audience))[row]
    gained = turned - loyal
    assert gained[HALF + 2 :].mean() > gained[:HALF].mean()


# Cold users (a good per-vehicle ranking, and nothing less)


def test_cold_users_of_one_vehicle_share_a_vector_and_vehicles_differ(trained):
    users = np.flatnonzero([str(u).startswith("cold") for u in WORLD.user_ids])
    audience, row = build_audience(WORLD, users)
    vectors = trained.user_vectors(audience)[row]
    assert len(users) == 4 * N_MAKES
    assert len(np.unique(vectors, axis=0)) == 2 * N_MAKES


def test_a_user_who_registers_later_needs_no_retraining(trained):
    later = two_platforms(cold=3)
    users = np.array([list(later.user_ids).index(u) for u in ("cold000", "cold002")])
    audience, row = build_audience(later, users)
    old, new = trained.user_vectors(audience)[row]
    assert (old == new).all()


def test_a_vehicle_without_any_owners_events_falls_back_to_what_its_make_then_everyone_takes():
    car, twin, odd = "2020|ford|f-150", "2020|ford|ranger", "2020|kia|rio"
    others = [f"2020|m{i}|x" for i in range(4)]
    owns = {f"f{i:02d}": [car] for i in range(40)} | {f"o{i:02d}": [others[i % 4]] for i in range(80)}
    # Fords take P0, everyone else P1, about as many in all; P2 hardly anyone.
    events = [(u, "P0" if u[0] == "f" or int(u[1:]) % 4 == 0 else "P1", "order", "2026-05-02") for u in owns]
    events += [("o01", "P2", "order", "2026-05-03")]
    owns |= {"newford": [twin], "newkia": [odd]}
    train = make_snapshot(owns=owns, fits={p: [car, twin, odd, *others] for p in ("P0", "P1", "P2")}, events=events)
    recommender = fitted(train, max_steps=0)
    audience, row = build_audience(train, np.array([list(train.user_ids).index(u) for u in ("newford", "newkia")]))
    recommender.prepare(audience)
    ford, kia = recommender.score_block(0, 2)[row]
    assert ford[0] > ford[1] > ford[2]
    assert kia[[0, 1]].min() > kia[2]
    assert ford[0] - ford[1] > kia[0] - kia[1]


def test_an_untrained_row_of_an_id_table_is_no_noise():
    """Two vehicles of one make without events: their id rows are the make's, so their scores are equal."""
    makes = [f"2020|ford|m{i}" for i in range(3)]
    owns = {f"u{i:02d}": [makes[0]] for i in range(20)} | {"cold1": [makes[1]], "cold2": [makes[2]]}
    events = [(f"u{i:02d}", f"P{i % 3}", "order", "2026-05-02") for i in range(20)]
    train = make_snapshot(owns=owns, fits={f"P{i}": makes for i in range(3)}, events=events)
    recommender = fitted(train, max_steps=6)
    audience, row = build_audience(train, np.array([0, 1]))
    recommender.prepare(audience)
    one, other = recommender.score_block(0, 2)[row]
    assert one == pytest.approx(other, abs=1e-4)


# One inner product


def test_scores_are_one_inner_product_that_an_index_can_serve(trained):
    audience, _ = build_audience(WORLD, np.arange(len(WORLD.user_ids)))
    trained.prepare(audience)
    users, products = trained.user_vectors(audience), trained.product_vectors()
    model = small_settings().model
    learned = model.output_dim + 2  # with slack
    spectral = trained._plan.constants.factors.in_PF.shape[1]
    constants = model.vehicle_factors + len(PRODUCT_FEATURES) + 1 + model.item_factors + spectral
    assert users.shape[1] == products.shape[1] == constants + learned + 1
    cold = np.flatnonzero(np.bincount(audience.history.user_E, minlength=len(audience)) == 0)
    whole = trained.score_block(0, len(audience))
    assert whole[cold] == pytest.approx(users[cold] @ products.T, abs=1e-4)
    assert np.linalg.norm(products[:, constants:-1], axis=1) == pytest.approx(np.ones(len(products)), abs=1e-5)
    assert (users[:, -1] == 1).all()
    assert len(np.unique(np.linalg.norm(users[:, constants:-1], axis=1).round(4))) == 1  # all have length s


def test_without_sparse_terms_a_user_with_history_is_one_inner_product_too():
    plain = fitted(model={"sparse_terms": False}, max_steps=0)
    audience, _ = build_audience(WORLD, np.arange(len(WORLD.user_ids)))
    plain.prepare(audience)
    assert len(audience.history)
    scores = plain.score_block(0, len(audience))
    assert scores == pytest.approx(plain.user_vectors(audience) @ plain.product_vectors().T, abs=1e-4)


def test_without_a_popularity_bias_the_last_coordinate_is_zero():
    assert (fitted(model=AS_PROPOSED, training={"loss": "bce"}, max_steps=1).product_vectors()[:, -1] == 0).all()


# Leakage


def test_what_happens_after_the_cutoff_moves_nothing(trained):
    future = tuple((f"u00{i:02d}", f"P{HALF + i % HALF:02d}", "order", "2026-06-02") for i in range(12))
    knows = two_platforms(extra_events=future)  # make_snapshot cuts at the as-of date …
    uncut = dataclasses.replace(knows, events=knows.events)
    assert to_bytes(fitted(uncut.before(AS_OF)).to_checkpoint()) == to_bytes(trained.to_checkpoint())


def plan_of(train, **options):
    settings = small_settings()
    with pinned(1, 0):
        return build_plan(train, settings, torch.device("cpu"), **options)


def test_a_folds_own_events_reach_neither_its_graph_nor_its_factors():
    """Whatever the supervised users do, the graph that supervises them is the same."""
    training, ev = small_settings().training, WORLD.events
    theirs = fold_of_users(WORLD.user_ids, training.folds, training.seed)[ev.user_E] == 0
    other_half = np.where(theirs, (ev.product_E + HALF) % (2 * HALF), ev.product_E)
    quiet = plan_of(WORLD)
    changed = dataclasses.replace(WORLD, events=dataclasses.replace(ev, product_E=other_half))
    moved = plan_of(changed, weights=quiet.weights)
    one, other = quiet.folds[0].inputs, moved.folds[0].inputs
    for name in ("product_x", "vehicle_x", "product_const", "vehicle_const_SD", "item_left_PI"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    for kind, edges in one.edges.items():
        assert torch.equal(edges.index, other.edges[kind].index), kind
        assert torch.equal(edges.log_weight, other.edges[kind].log_weight), kind
    assert not torch.equal(quiet.inputs.product_const, moved.inputs.product_const)  # the served graph does see them


def test_supervised_users_are_no_nodes_of_the_graph_that_supervises_them():
    plan = plan_of(WORLD)
    whole = plan.inputs.edges[INTERACTS].index.shape[1]
    hidden = [whole - fold.inputs.edges[INTERACTS].index.shape[1] for fold in plan.folds]
    assert sum(hidden) == whole
    assert min(hidden) > 0
    for fold, n_hidden in zip(plan.folds, hidden, strict=True):
        assert len(fold.batches) == n_hidden  # each hidden (user, product) pair is one positive: all are orders


# Training is kept in check


def test_negatives_are_really_drawn(trained):
    for entry in trained.history:
        assert entry["draws"]["fitting"] > 0
        assert entry["draws"]["global"] > 0


def test_the_proposals_mix_of_negatives_is_drawn_in_its_shares():
    proposal = fitted(training={"loss": "bce", "negatives_per_positive": 20}, max_steps=4)
    draws = proposal.history[0]["draws"]
    per_kind = {kind: n / sum(draws.values()) for kind, n in draws.items()}
    # Not exactly .5/.3/.2: what a user touched is masked, and that is an eighth of the catalogue.
    assert per_kind == pytest.approx({"in_batch": 0.5, "fitting": 0.3, "global": 0.2}, abs=0.03)


def test_when_no_step_beats_the_initialisation_it_is_kept_and_reported():
    values = iter([0.5, 0.4, 0.5, 0.3])
    guarded = fitted(validator=lambda _: next(values))
    assert guarded.best_step == 0
    assert [entry["validation_recall_at_10"] for entry in guarded.history] == [0.5, 0.4, 0.5, 0.3]
    assert (guarded.product_vectors() == fitted(max_steps=0).product_vectors()).all()


def test_the_best_validated_state_is_kept_not_the_last():
    values = iter([0.1, 0.4, 0.2, 0.3])
    best = fitted(validator=lambda _: next(values))
    assert best.best_step == 4
    assert (best.product_vectors() == fitted(max_steps=4).product_vectors()).all()


def test_patience_ends_training():
    steps = []
    fitted(
        training={"patience": 2},
        max_steps=200,
        validator=lambda _: 0.5,
        progress=lambda step, last, loss: steps.append((step, last)),
    )
    assert steps == [(i, 200) for i in range(1, 9)]  # two validations without a better value


def test_without_a_validator_exactly_the_given_steps_are_made(trained):
    assert trained.best_step == small_settings().training.max_steps
    assert [entry["validation_recall_at_10"] for entry in trained.history] == [None] * 3
    assert fitted(max_steps=5).best_step == 5


def test_the_validator_scores_the_state_that_is_judged():
    seen = []

    def validator(recommender) -> float:
        seen.append(recommender.product_vectors().copy())
        return float(len(seen))

    final = fitted(validator=validator)
    assert not (seen[0] == seen[-1]).all()
    assert (final.product_vectors() == seen[-1]).all()


def test_a_nan_stops_training_and_names_the_step():
    with pytest.raises(DivergedError, match="training step"):
        fitted(training={"learning_rate": 1e30, "gradient_clip": 1e30}, max_steps=30)


def test_a_validator_that_returns_nan_is_refused():
    with pytest.raises(DivergedError, match="validation value"):
        fitted(validator=lambda _: float("nan"))


@pytest.mark.parametrize(
    ("store", "match"),
    [
        pytest.param({"events": []}, "no event", id="no event"),
        pytest.param({"fits": {"P0": []}}, "no fitment", id="no fitment"),
        pytest.param({}, "one user's", id="one user"),
    ],
)
def test_a_store_that_teaches_nothing_is_refused(store, match):
    car = "2020|ford|f-150"
    base = {"owns": {"ann": [car]}, "fits": {"P0": [car]}, "events": [("ann", "P0", "order", "2026-05-02")]}
    with pytest.raises(DataError, match=match):
        fitted(make_snapshot(**(base | store)))


def test_events_that_all_weigh_nothing_are_refused():
    """A store that has logged views alone, under a configuration that counts orders alone."""
    car, base = "2020|ford|f-150", small_settings()
    train = make_snapshot(
        owns={u: [car] for u in ("ann", "bob")},
        fits={"P0": [car]},
        events=[(u, "P0", "view", "2026-05-02") for u in ("ann", "bob")],
    )
    graph = dataclasses.replace(base.graph, event_weights={"view": 0.0, "cart": 0.0, "order": 5.0})
    with pytest.raises(DataError, match="weight 0 to every event"):
        GraphRecommender(dataclasses.replace(base, graph=graph)).fit(train)


# Same inputs, same bytes


@pytest.mark.parametrize("variant", ["light", "gat"])
def test_one_thread_or_two_end_in_the_same_bytes(variant):
    before = torch.get_num_threads()
    digests = set()
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            digests.add(fitted(model=VARIANTS[variant][0], max_steps=3).to_checkpoint().digest())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(digests) == 1


def test_the_global_random_state_neither_matters_nor_changes(trained):
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    assert fitted().to_checkpoint().digest() == trained.to_checkpoint().digest()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_another_seed_is_another_model(trained):
    assert fitted(training={"seed": 18}).to_checkpoint().digest() != trained.to_checkpoint().digest()


# Checkpoints


class Killed(Exception):
    """Stands for the end of the process."""


def test_a_killed_run_resumes_to_the_same_result(tmp_path):
    def kill(step: int, *_) -> None:
        if step == 8:
            raise Killed

    whole = fitted(checkpoint_dir=tmp_path / "whole")
    with pytest.raises(Killed):
        fitted(checkpoint_dir=tmp_path / "killed", progress=kill)
    steps: list[int] = []
    resumed = fitted(checkpoint_dir=tmp_path / "killed", progress=lambda step, *_: steps.append(step))
    assert steps == list(range(7, 13))  # the state of step 6 was the last one saved
    assert to_bytes(resumed.to_checkpoint()) == to_bytes(whole.to_checkpoint())
    assert [e["step"] for e in resumed.history] == [4, 8, 12]


def test_a_resumed_run_remembers_its_best_state_and_patience(tmp_path):
    values = {0: 0.1, 4: 0.9, 8: 0.2, 12: 0.3}

    def run(folder, stop_at: int | None):
        asked = iter(values.values()) if stop_at is None else iter([values[0], values[4]])

        def kill(step: int, *_) -> None:
            if step == stop_at:
                raise Killed

        return GraphRecommender(small_settings(), checkpoint_dir=folder, progress=kill, validator=lambda _: next(asked))

    whole = run(tmp_path / "whole", None)
    whole.fit(WORLD)
    with pytest.raises(Killed):
        run(tmp_path / "killed", 7).fit(WORLD)
    rest = iter([values[8], values[12]])
    resumed = GraphRecommender(small_settings(), checkpoint_dir=tmp_path / "killed", validator=lambda _: next(rest))
    resumed.fit(WORLD)
    assert resumed.best_step == whole.best_step == 4
    assert to_bytes(resumed.to_checkpoint()) == to_bytes(whole.to_checkpoint())


def test_a_run_on_other_data_does_not_resume_anothers_state(tmp_path):
    fitted(checkpoint_dir=tmp_path)
    steps: list[int] = []
    fitted(two_platforms(seed=1), checkpoint_dir=tmp_path, progress=lambda step, *_: steps.append(step))
    assert steps[0] == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_a_checkpoint_gives_back_the_same_scores(trained):
    stored = from_bytes(to_bytes(trained.to_checkpoint()))
    back = GraphRecommender.from_checkpoint(stored, WORLD, small_settings())
    audience, _ = build_audience(WORLD, np.arange(len(WORLD.user_ids)))
    assert (back.user_vectors(audience) == trained.user_vectors(audience)).all()
    assert (back.product_vectors() == trained.product_vectors()).all()
    assert back.to_checkpoint().digest() == trained.to_checkpoint().digest()


def test_a_checkpoint_of_another_snapshot_or_other_settings_is_refused(trained):
    with pytest.raises(ArtifactError, match="another graph"):
        GraphRecommender.from_checkpoint(trained.to_checkpoint(), two_platforms(seed=1), small_settings())
    with pytest.raises(ArtifactError, match="model settings"):
        GraphRecommender.from_checkpoint(trained.to_checkpoint(), WORLD, small_settings({"layers": 1}))


def test_user_ids_are_in_the_checkpoint_only_when_users_have_rows(trained):
    assert b"u0000" not in to_bytes(trained.to_checkpoint())
    assert b"u0000" in to_bytes(fitted(model={"user_id_embedding": True}, max_steps=0).to_checkpoint())


# Warm start


ALL_IDS = {"product_id_embedding": True, "user_id_embedding": True}


def table(recommender: GraphRecommender, name: str) -> dict[str, list[float]]:
    stored = recommender.to_checkpoint()
    rows = stored.part("model/")[name]
    return dict(zip(stored.meta["rows"][name]["ids"], rows.tolist(), strict=True))


def grown_world():
    """Next week's store: a user, a vehicle and a product that sort in front of or between last week's."""
    return two_platforms(
        extra_owns={"a first user": ["2019|aaa|first"], "u000a": ["2020|make00|newer model"]},
        extra_products=("A NEW PART",),
        extra_events=(("a first user", "P00", "order", "2026-05-05"), ("u000a", "P01", "order", "2026-05-05")),
    )


def test_a_warm_start_keeps_each_entitys_row_though_every_index_has_moved():
    week1 = fitted(model=ALL_IDS, max_steps=8)
    week2 = fitted(grown_world(), model=ALL_IDS, max_steps=0, warm_start=week1.to_checkpoint())
    new = {
        "user_id.weight": {"a first user", "u000a"},
        "product_id.weight": {"A NEW PART"},
        "vehicle_id.weight": {"aaa|first", "make00|newer model"},
        "make.weight": {"aaa"},
        "part_type.weight": set(),
    }
    for name, newcomers in new.items():
        before, after = table(week1, name), table(week2, name)
        assert set(after) - set(before) == newcomers, name
        assert {entity: after[entity] for entity in before} == before, name
    products, segments = table(week1, "product_id.weight"), table(week1, "vehicle_id.weight")
    same_type = [row for p, row in products.items() if int(p[1:]) % 4 == 0]
    assert table(week2, "product_id.weight")["A NEW PART"] == pytest.approx(np.mean(same_type, axis=0), abs=1e-6)
    its_make = segments["make00|model"]
    assert table(week2, "vehicle_id.weight")["make00|newer model"] == pytest.approx(its_make, abs=1e-6)


def test_a_warm_start_scores_known_vehicles_as_before_where_nothing_else_changed():
    week1 = fitted(max_steps=8)
    week2 = fitted(max_steps=0, warm_start=week1.to_checkpoint())
    one, other = (np.stack(list(cold_scores(r, WORLD).values())) for r in (week1, week2))
    assert one == pytest.approx(other, abs=1e-6)


def test_moments_of_new_rows_are_dropped_and_others_carried():
    week1 = fitted(max_steps=8).to_checkpoint()
    network = Network(plan_of(grown_world()).sizes, small_settings().model)
    rows = table_rows(grown_world(), plan_of(grown_world()).graph, network)
    moments = start_from(week1, network, rows, dataclasses.asdict(small_settings().model))
    name = "vehicle_id.weight"
    then = dict(zip(week1.meta["rows"][name]["ids"], week1.part("optimizer/")[f"{name}/exp_avg_sq"], strict=True))
    now = dict(zip(rows[name]["ids"], moments[f"{name}/exp_avg_sq"], strict=True))
    assert now["aaa|first"].abs().sum() == 0
    assert then["make00|model"].abs().sum() > 0
    assert all(torch.equal(now[s], then[s]) for s in then)


def test_a_warm_start_from_another_kind_of_model_is_refused():
    with pytest.raises(ArtifactError, match="encoder"):
        fitted(model={"encoder": "sage"}, warm_start=fitted(max_steps=0).to_checkpoint())


def test_warm_starts_can_be_switched_off():
    week1 = fitted(max_steps=8).to_checkpoint()
    cold = fitted(training={"keep_embeddings_warm": False}, max_steps=0, warm_start=week1)
    assert (cold.product_vectors() == fitted(max_steps=0).product_vectors()).all()


def test_an_audience_of_another_store_is_refused(trained):
    audience, _ = build_audience(grown_world(), np.array([0]))
    with pytest.raises(ShapeError, match="segments"):
        trained.prepare(audience)


def test_scoring_before_fit_or_prepare_is_an_error():
    with pytest.raises(ArtifactError, match="not fitted"):
        GraphRecommender(small_settings()).product_vectors()
    with pytest.raises(ShapeError, match="prepare"):
        fitted(max_steps=0).score_block(0, 1)
