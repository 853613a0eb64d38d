"""A graph model that is stored, killed or resumed is the same model; another's state is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_core.errors import ArtifactError
from gnn_core.model.recommender import GraphRecommender
from gnn_core.scoring.audience import build_audience
from gnn_core.training.checkpoint import from_bytes, to_bytes
from tests.core.model.fits import WORLD, fitted
from tests.core.model.worlds import (
    small_settings,
    two_platforms,
)


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
