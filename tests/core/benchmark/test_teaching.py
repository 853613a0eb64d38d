"""Nobody is judged by a model that their own choices taught."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import teaching
from benchmarks.teaching import COLUMNS, GROUPS, UNTAUGHT, change, recalls
from gnn_core.benchmark.spec import specs
from tests.core.benchmark.files import write_cold_store


def test_a_user_is_judged_by_the_model_that_all_others_taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cold_store(tmp_path, "tiny")
    (spec,) = specs(["tiny"], tmp_path, colds=[50], seeds=1)
    fits: list[tuple[Any, Any]] = []

    def recall(window: Any, train: Any, settings: Any, choices: Any) -> np.ndarray:
        assert train.as_of == window.cut.start
        users = set() if choices is None else set(choices.user_E.tolist())
        if choices is not None:
            assert (
                (choices.ts_E >= train.as_of.astype(np.int64)) & (choices.ts_E < window.cut.end.astype(np.int64))
            ).all()
        fits.append((settings.paths, choices))
        # 1 where a user taught the model, so that any of it in the result is seen.
        return np.array([float(user in users) for user in window.panel.users["user"]])

    monkeypatch.setattr(teaching, "_recall", recall)
    found = recalls(spec, tmp_path)
    assert list(found) == list(COLUMNS)
    assert len(found[UNTAUGHT]) > GROUPS
    assert not np.concatenate(list(found.values())).any()
    assert [choices is None for _, choices in fits] == [True, *[False] * (3 * GROUPS)]
    taught = {int(user) for _, choices in fits[1 : 1 + GROUPS] for user in choices.user_E}
    assert len(taught) > GROUPS
    plain, leading, rivals = (fits[k][0] for k in (1, 1 + GROUPS, 1 + 2 * GROUPS))
    assert (plain.leading_candidates, plain.left_out) == (0, ("owners_per_rival",))
    assert (leading.leading_candidates > 0, leading.left_out) == (True, ("owners_per_rival",))
    assert (rivals.leading_candidates > 0, rivals.left_out) == (True, ())


def test_a_change_is_relative_and_its_error_paired():
    base_U = np.array([0.2, 0.4, 0.6, 0.8])
    assert change(base_U + 0.1, base_U) == pytest.approx((0.2, 0.0))
    # Differences of 0.2 and 0 over a mean of 0.5: 0.4 and 0, deviation 0.4 / √3, over √4.
    assert change(base_U + np.array([0.2, 0.0, 0.2, 0.0]), base_U) == pytest.approx((0.2, 0.4 / 3**0.5 / 2))
