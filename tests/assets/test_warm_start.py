"""Which model of last week a training starts from; and that it starts cold, saying why, where there is none to use."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from gnn_assets import models
from gnn_core.io.artifacts import ArtifactStore
from gnn_core.training.checkpoint import FORMAT, Checkpoint, to_bytes
from tests.core.model.worlds import small_settings

NOW, BEFORE = "2026-02-23", "2026-02-16"


@pytest.fixture
def week(tmp_path):
    settings = small_settings()
    assert settings.training.keep_embeddings_warm
    return SimpleNamespace(
        key=NOW, previous_key=BEFORE, settings=settings, store=ArtifactStore(str(tmp_path), settings)
    )


def fitted_last_week(week, names, form=FORMAT):
    checkpoint = Checkpoint({"model/scale": torch.ones(1)}, {"format": form})
    files = {f"{name}.safetensors": to_bytes(checkpoint) for name in names}
    week.store.write(BEFORE, "gnn_checkpoint", files, sections=models.GRAPH_SECTIONS)


def test_the_newest_model_of_the_same_role_is_the_start(week):
    fitted_last_week(week, ["test_0", "validation_0", "validation_1"])
    found, words = models.last_week(week, "gnn_checkpoint", "validation")
    assert found is not None
    assert words.startswith(f"warm start from {BEFORE}/gnn_checkpoint, validation_1, ")


def test_a_week_without_a_model_of_the_role_is_a_cold_start(week):
    assert models.last_week(week, "gnn_checkpoint", "test") == (None, f"cold start: {BEFORE} has no gnn_checkpoint")
    fitted_last_week(week, ["validation_0"])
    assert models.last_week(week, "gnn_checkpoint", "test") == (None, f"cold start: {BEFORE} fitted no test model")


def test_a_model_of_another_version_of_the_code_is_a_cold_start_and_no_failure(week):
    """The first week after a deployment that changed the format of checkpoints."""
    fitted_last_week(week, ["test_0"], form=FORMAT - 1)
    found, words = models.last_week(week, "gnn_checkpoint", "test")
    assert found is None
    assert words == f"cold start: checkpoint: format {FORMAT - 1}, this version reads {FORMAT}; train again"


def test_a_start_that_is_not_wanted_is_not_looked_for(week):
    fitted_last_week(week, ["test_0"])
    week.settings = replace(week.settings, training=replace(week.settings.training, keep_embeddings_warm=False))
    assert models.last_week(week, "gnn_checkpoint", "test")[0] is None
