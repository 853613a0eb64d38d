"""Evaluation on a store with a known answer; pooling; what is compared, and that nobody leaves the denominator."""

import numpy as np
import pytest

from gnn_core.errors import DataError
from gnn_core.evaluation.bootstrap import paired_lift
from gnn_core.evaluation.comparison import (
    compare,
    diversity,
    lift_against,
    metric_names,
    metric_vectors,
    user_frame,
)
from gnn_core.evaluation.evaluate import evaluate, pool, recall_validator
from gnn_core.evaluation.positives import Clicks
from gnn_core.snapshot import micros
from tests.core.evaluation import made_up, world
from tests.core.evaluation.world import CUT, EARLIER, NEW_PARTS, OLD_PARTS, Scripted

FORWARD = NEW_PARTS + OLD_PARTS
BACKWARD = FORWARD[::-1]


def _evaluate(store, recommenders, cut=CUT, clicks=None, **changes):
    settings = world.settings(**changes)
    train = store.before(cut.fitted_before)
    return evaluate(recommenders, store, train, cut, settings, world.eligible(store), clicks=clicks)


def _both(store):
    return [Scripted("forward", store, FORWARD), Scripted("backward", store, BACKWARD)]


@pytest.fixture(scope="module")
def store():
    return world.snapshot()


@pytest.fixture(scope="module")
def evaluation(store):
    return _evaluate(store, _both(store))


def test_places_match_the_script(evaluation):
    # ann N00 and N03, bob N11, cat N01 among 12 new parts; dan O03 among 4 old ones.
    assert evaluation.rank_N["forward", "before"].tolist() == [1, 4, 12, 2, 4]
    assert evaluation.rank_N["backward", "before"].tolist() == [12, 9, 1, 11, 1]


def test_metrics_match_hand_values(evaluation):
    found = metric_vectors(evaluation, "forward", "before", world.settings().evaluation)
    assert tuple(found) == metric_names(world.settings().evaluation)
    assert found["recall_1"].tolist() == [0.5, 0, 0, 0]
    assert found["recall_4"].tolist() == [1, 0, 1, 1]
    assert found["recall_10"].tolist() == [1, 0, 1, 1]
    assert found["recall_20"].tolist() == [1, 1, 1, 1]
    assert found["hit_rate_4"].tolist() == [1, 0, 1, 1]
    assert found["mrr"] == pytest.approx([1, 1 / 12, 1 / 2, 1 / 4])
    ndcg_ann = (1 + 1 / np.log2(5)) / (1 + 1 / np.log2(3))
    assert found["ndcg_10"] == pytest.approx([ndcg_ann, 0, 1 / np.log2(3), 1 / np.log2(5)])


def test_after_the_rules_a_recent_purchase_is_no_hit_but_stays_in_the_denominator(evaluation):
    # Dan bought O03 in February, so it may not be e-mailed again: three old parts are left, and a miss.
    assert evaluation.rank_N["forward", "after"].tolist() == [1, 4, 12, 2, 0]
    assert evaluation.recall("forward", "after").tolist() == [1, 0, 1, 0]


def test_a_user_without_a_list_counts_as_zero(store):
    found = _evaluate(store, _both(store), scoring={"min_slots": 4})
    # Dan's three remaining parts are fewer than four: no e-mail, hence no hit, yet still one of four users.
    assert len(found) == 4
    assert (found.lists["backward"].product_AK[found.lists["backward"].users_A == 1][-1] == -1).all()
    assert {d.model: d.users_without_list for d in diversity(found)} == {"forward": 1, "backward": 1}


def test_part_type_rule_shortens_the_list_after_but_not_before(store):
    one_type = {p: {"part_type": "Carburetor"} for p in world.FITS}
    crowded = world.snapshot(products=one_type)
    found = _evaluate(crowded, _both(crowded), scoring={"min_slots": 2})
    assert found.rank_N["forward", "before"].tolist() == [1, 4, 12, 2, 4]
    assert found.rank_N["forward", "after"].tolist() == [1, 0, 0, 2, 0]  # at most two of a part type


@pytest.mark.parametrize("block_rows", [1, 2, 1024])
def test_block_size_changes_nothing(store, evaluation, block_rows):
    found = _evaluate(store, _both(store), scoring={"block_rows": block_rows})
    for key, rank_N in evaluation.rank_N.items():
        assert found.rank_N[key].tolist() == rank_N.tolist()


def test_ties_go_to_the_lower_product_id(store):
    found = _evaluate(store, [Scripted("indifferent", store, [])])
    assert found.rank_N["indifferent", "before"].tolist() == [1, 4, 12, 2, 4]


def test_validator_is_the_mean_recall_and_can_be_called_again(store, evaluation):
    validate = recall_validator(store, store.before(CUT.fitted_before), CUT, world.settings(), world.eligible(store))
    forward, backward = _both(store)
    for model in (forward, backward, forward):
        assert validate(model) == evaluation.recall(model.name).mean()
    assert forward.prepared == 2


def test_nan_scores_are_refused_by_name(store):
    broken = Scripted("diverged", store, FORWARD)
    broken.scores_P[3] = np.nan
    with pytest.raises(DataError, match="diverged"):
        _evaluate(store, [broken])


def test_two_models_of_one_name_are_refused(store):
    with pytest.raises(DataError, match="share a name"):
        _evaluate(store, [Scripted("same", store, FORWARD), Scripted("same", store, BACKWARD)])


def test_pooling_keeps_each_user_window_once(store, evaluation):
    earlier = world.snapshot(events=[*world.EVENTS, ("ann", "N02", "view", "2026-04-05")])
    first = _evaluate(earlier, _both(earlier), cut=EARLIER)
    second = _evaluate(earlier, _both(earlier))
    pooled = pool([first, second])
    assert len(pooled) == 5
    assert pooled.users["user_id"].tolist() == ["ann", "ann", "bob", "cat", "dan"]
    assert pooled.recall("forward").tolist() == [1, 1, 0, 1, 1]
    # In the second window Ann is no longer cold: she has viewed N02.
    assert pooled.users["tier"].tolist() == ["cold", "warm", "cold", "warm", "hot"]
    lift = compare(pooled, "backward", world.settings().evaluation, judged=["forward"]).lift("forward")
    assert (lift.n_users, lift.n_rows) == (4, 5)


def test_pooling_refuses_repeats_and_unlike_models(store, evaluation):
    with pytest.raises(DataError, match="pooled twice"):
        pool([evaluation, evaluation])
    with pytest.raises(DataError, match="different models"):
        pool([evaluation, _evaluate(store, _both(store)[:1], cut=EARLIER)])
    with pytest.raises(DataError, match="no evaluation"):
        pool([])


def test_a_window_without_evaluable_user_is_empty_not_an_error(store):
    nobody = world.snapshot(events=world.EVENTS[:2])
    empty = _evaluate(nobody, _both(nobody))
    assert len(empty) == 0
    lift = compare(empty, "backward", world.settings().evaluation, judged=["forward"]).lift("forward")
    assert (lift.estimate, lift.n_users, lift.n_baseline_hits) == (None, 0, 0)
    with pytest.raises(DataError, match="no evaluable user"):
        recall_validator(nobody, nobody.before(CUT.start), CUT, world.settings(), world.eligible(nobody))


def test_compare_gives_the_interval_that_paired_lift_gives(evaluation):
    settings = world.settings().evaluation
    comparison = compare(evaluation, "backward", settings, judged=["forward"])
    alone = paired_lift(
        evaluation.recall("forward"),
        evaluation.recall("backward"),
        evaluation.users["user"].to_numpy(),
        draws=settings.bootstrap_draws,
        confidence=settings.confidence,
        seed=settings.seed,
    )
    assert comparison.lift("forward") == alone
    # forward: 1, 0, 1, 1; backward: N00 at 12 and N03 at 9 is half of Ann's, then 1, 0, 1.
    assert alone.estimate == pytest.approx(3 / 2.5 - 1)


def test_groups_are_judged_on_their_own_rows(evaluation):
    comparison = compare(evaluation, "backward", world.settings().evaluation, judged=["forward"])
    cold = comparison.lift("forward", group="tier:cold")
    assert (cold.model_mean, cold.baseline_mean, cold.n_users) == (0.5, 0.75, 2)
    assert comparison.lift("forward", group="tier:warm").n_baseline_hits == 0
    with pytest.raises(DataError, match="origin:email"):
        comparison.lift("forward", group="origin:email")  # no clicks are known, so no origin is claimed


def test_an_interval_of_a_group_rests_on_its_rows_alone():
    # Hot users: the graph places everything where SQL does. So no change, and no doubt about it, whatever others do.
    found = made_up.evaluation()
    hot_N = (found.users["tier"] == "hot").to_numpy()[found.user_N]
    found.rank_N["graph", "before"][hot_N] = found.rank_N["sql_v5.18", "before"][hot_N]
    settings = world.settings(evaluation={"bootstrap_draws": 200}).evaluation
    comparison = compare(found, "sql_v5.18", settings, judged=["graph"])
    hot = comparison.lift("graph", group="tier:hot")
    assert (hot.low, hot.estimate, hot.high) == (0.0, 0.0, 0.0)
    assert comparison.lift("graph").low > 0


def test_recall_of_everything_counts_what_could_not_be_reached(evaluation):
    # ann 2 of 2, bob 0 of 2, cat 1 of 1, dan 1 of 1; Eve, whom nothing could reach, is the fifth.
    comparison = compare(evaluation, "backward", world.settings().evaluation, judged=["forward"])
    assert comparison.recall_of_all["forward"] == 3 / 5
    assert comparison.recall_of_all["backward"] == (0.5 + 0.5 + 0 + 1) / 5


def test_lift_against_is_the_same_bootstrap_with_another_baseline(evaluation):
    settings = world.settings().evaluation
    assert lift_against(evaluation, "forward", "backward", settings) == compare(
        evaluation, "backward", settings, judged=["forward"]
    ).lift("forward")


def test_origins_are_judged_on_their_own_positives(store):
    ann = int(np.flatnonzero(store.user_ids == "ann")[0])
    clicks = Clicks(np.array([ann]), np.array([micros("2026-05-03T12:00")]))  # before N03, after N00
    found = _evaluate(store, _both(store), clicks=clicks)
    comparison = compare(found, "backward", world.settings().evaluation, judged=["forward"])
    email = comparison.lift("backward", group="origin:email")
    assert (email.model_mean, email.n_users) == (1.0, 1)  # N03 at place 9
    organic = comparison.lift("forward", group="origin:organic")
    assert (organic.model_mean, organic.n_users) == (0.75, 4)


def test_only_secondary_comparisons_are_corrected(evaluation):
    table = compare(evaluation, "backward", world.settings().evaluation, judged=["forward"]).table
    assert table.groupby("role").size().keys().tolist() == ["baseline", "described", "primary", "secondary"]
    primary = table[table["role"] == "primary"]
    assert primary[["stage", "group", "metric", "model"]].values.tolist() == [["before", "all", "recall_10", "forward"]]
    secondary = table[table["role"] == "secondary"]
    assert sorted(secondary["group"]) == ["tier:cold", "tier:hot", "tier:warm"]
    assert (secondary["p_holm"] >= secondary["p_value"]).all()
    assert table[table["role"] != "secondary"]["p_holm"].isna().all()


def test_a_baseline_that_was_not_evaluated_is_refused(evaluation):
    with pytest.raises(DataError, match=r"sql_v5\.18 not among"):
        compare(evaluation, "sql_v5.18", world.settings().evaluation, judged=["forward"])


def test_diversity_matches_hand_counts(evaluation):
    forward = diversity(evaluation)[0]
    # Rows: ann+bob and cat get N00–N03; dan gets O00–O02.
    assert (forward.distinct_rows, forward.distinct_lists, forward.products) == (3, 2, 7)
    assert forward.coverage == 7 / 16
    assert forward.top_product_share == 3 / 4


def test_user_frame_has_a_row_a_user_model_and_stage(evaluation):
    frame = user_frame(evaluation, world.settings().evaluation)
    assert len(frame) == 4 * 2 * 2
    row = frame[(frame["user_id"] == "dan") & (frame["model"] == "forward")].set_index("stage")
    assert row["recall_10"].to_dict() == {"before": 1.0, "after": 0.0}
    assert not frame.isna().any().any()


def test_lists_are_diversified_as_they_are_served(store):
    # In the ranking before the rules nothing changes; in the list the second product gives way to one unlike the first.
    plain, vectors = _both(store)[0], np.zeros((len(store.product_ids), 2))
    vectors[[list(store.product_ids).index(p) for p in FORWARD[:3]], 0] = 1.0
    rules = {"diversity": 0.9, "diversity_pool": 30, "slots": 2, "min_slots": 1}
    mixed = Scripted("mixed", store, FORWARD)
    mixed.likeness_vectors = lambda: vectors
    found = _evaluate(store, [plain, mixed], scoring=rules)
    listed = {name: store.product_ids[found.lists[name].product_AK[0]].tolist() for name in ("forward", "mixed")}
    assert listed["forward"] == FORWARD[:2]
    assert listed["mixed"] == [FORWARD[0], FORWARD[3]]
    assert (found.rank_N["mixed", "before"] == found.rank_N["forward", "before"]).all()
    assert (found.rank_N["mixed", "after"] != found.rank_N["forward", "after"]).any()
