"""Checkpoints survive the round trip, and rows follow their entity."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from gnn_core.errors import ArtifactError
from gnn_core.training.checkpoint import (
    FORMAT,
    Checkpoint,
    carry_moments,
    carry_rows,
    from_bytes,
    load,
    save,
    to_bytes,
)

CHECKPOINT = Checkpoint(
    {"model/b": torch.arange(6.0).reshape(2, 3), "model/a": torch.tensor(1.5), "optimizer/b/step": torch.tensor(3.0)},
    {"format": FORMAT, "rows": {"b": ["x", "ü"]}, "best_step": 2, "value": None},
)


def test_bytes_give_back_tensors_and_meta():
    back = from_bytes(to_bytes(CHECKPOINT))
    assert back.meta == CHECKPOINT.meta
    assert back.tensors.keys() == CHECKPOINT.tensors.keys()
    assert all(torch.equal(back.tensors[k], t) for k, t in CHECKPOINT.tensors.items())
    assert back.part("model/").keys() == {"a", "b"}


def test_equal_checkpoints_are_equal_bytes_whatever_the_order_of_names():
    reordered = Checkpoint(dict(reversed(CHECKPOINT.tensors.items())), dict(reversed(CHECKPOINT.meta.items())))
    assert to_bytes(reordered) == to_bytes(CHECKPOINT)
    other = dataclasses.replace(CHECKPOINT, meta=CHECKPOINT.meta | {"best_step": 3})
    assert other.digest() != CHECKPOINT.digest() == reordered.digest()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"PK\x03\x04 something else entirely", id="another file"),
        pytest.param(to_bytes(CHECKPOINT)[:-5], id="cut off"),
        pytest.param(to_bytes(dataclasses.replace(CHECKPOINT, meta={"format": 0})), id="another format"),
    ],
)
def test_damaged_bytes_are_refused(content):
    with pytest.raises(ArtifactError, match="train again"):
        from_bytes(content)


def test_a_crash_while_saving_leaves_the_file_before(tmp_path, monkeypatch):
    path = tmp_path / "run" / "state.safetensors"
    save(CHECKPOINT, path)

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("gnn_core.training.checkpoint.os.fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        save(dataclasses.replace(CHECKPOINT, meta={"format": FORMAT, "best_step": 99}), path)
    assert load(path).meta == CHECKPOINT.meta


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_rows_follow_their_entity_and_new_rows_start_from_their_groups_mean():
    old = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 8.0]])
    rows, source = carry_rows(
        old,
        old_ids=["ford|f-150", "ford|mustang", "kia|rio"],
        old_groups=["ford", "ford", "kia"],
        new_ids=["audi|a4", "ford|bronco", "ford|mustang", "kia|rio"],
        new_groups=["audi", "ford", "ford", "kia"],
    )
    # audi is unknown: the mean of all rows. The bronco is new: the mean of the fords.
    assert rows == pytest.approx(np.array([[4 / 3, 8 / 3], [2, 0], [3, 0], [0, 8]]))
    assert source.tolist() == [-1, -1, 1, 2]


def test_moments_of_new_rows_are_dropped_and_of_kept_rows_are_not():
    moments = carry_moments(torch.tensor([[1.0], [2.0], [3.0]]), np.array([-1, 2, 0]))
    assert moments.flatten().tolist() == [0.0, 3.0, 1.0]
