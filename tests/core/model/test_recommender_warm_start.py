"""Last week's graph model as the start of this week's, though ids come and go."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from gnn_core.errors import ArtifactError
from gnn_core.model.network import Network
from gnn_core.model.recommender import GraphRecommender
from gnn_core.training.warm_start import start_from, table_rows
from tests.core.model.fits import WORLD, fitted, grown_world, plan_of
from tests.core.model.worlds import (
    cold_scores,
    small_settings,
)

ALL_IDS = {"product_id_embedding": True, "user_id_embedding": True}


def table(recommender: GraphRecommender, name: str) -> dict[str, list[float]]:
    stored = recommender.to_checkpoint()
    rows = stored.part("model/")[name]
    return dict(zip(stored.meta["rows"][name]["ids"], rows.tolist(), strict=True))


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_warm_starts_can_be_switched_off():
    week1 = fitted(max_steps=8).to_checkpoint()
    cold = fitted(training={"keep_embeddings_warm": False}, max_steps=0, warm_start=week1)
    assert (cold.product_vectors() == fitted(max_steps=0).product_vectors()).all()
