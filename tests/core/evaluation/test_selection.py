"""Selection: what is chosen, why, at ties; and that the test window has no say."""

import dataclasses
import json

import numpy as np
import pytest

from gnn_core.errors import DataError, LeakageError
from gnn_core.evaluation.evaluate import evaluate
from gnn_core.evaluation.panel import build_panel
from gnn_core.evaluation.selection import Fitted, Selection, _candidate, select, with_selection
from gnn_core.scoring.candidates import Candidates
from gnn_core.scoring.hybrid import Hybrid
from gnn_core.snapshot import micros
from tests.core.builders import make_snapshot
from tests.core.evaluation import world
from tests.core.evaluation.world import CUT, EARLIER, Scripted

SEGMENTS = [f"2018|make{i % 2}|model{i}" for i in range(4)]
PARTS = [f"P{i:02d}" for i in range(24)]


class Noisy(Scripted):
    """Scores that differ by row, from a seed: something to blend."""

    def __init__(self, name, store, seed):
        super().__init__(name, store, [])
        self._seed = seed

    def score_block(self, start, stop):
        rng = np.random.default_rng(self._seed)
        return rng.normal(size=(self.rows, len(self.scores_P))).astype(np.float32)[start:stop]


def _store(test_events=()):
    """Forty owners of four cars; orders in March, April (validation) and whatever is given for May (test)."""
    rng = np.random.default_rng(9)
    users = [f"u{i:02d}" for i in range(40)]
    events = [
        (user, PARTS[int(rng.integers(0, 24) ** 2 / 24)], "order", day)
        for user in users
        for day in ("2026-03-10", "2026-04-10")
        if rng.random() < 0.8
    ]
    owns = {user: [SEGMENTS[i % 4]] for i, user in enumerate(users)}
    return make_snapshot(owns=owns, fits=dict.fromkeys(PARTS, SEGMENTS), events=[*events, *test_events])


@pytest.fixture(scope="module")
def store():
    return _store()


def _fitted(store, *, sql=None, graph=None, best_step=20):
    train = store.before(EARLIER.fitted_before)
    sql = sql or {"sql_v5.17": Noisy("sql_v5.17", store, 1), "sql_v5.18": Noisy("sql_v5.18", store, 2)}
    return Fitted(EARLIER, train, sql, graph or Noisy("graph", store, 3), best_step)


def _select(store, *, settings=None, **changes):
    return select([_fitted(store, **changes)], store, settings or world.settings(), world.eligible(store))


def _recall(store, recommender):
    train, eligible = store.before(EARLIER.fitted_before), world.eligible(store)
    return evaluate([recommender], store, train, EARLIER, world.settings(), eligible).recall(recommender.name).mean()


def test_baseline_is_the_stronger_sql_version(store):
    good, bad = Scripted("good", store, PARTS), Scripted("bad", store, PARTS[::-1])
    assert _recall(store, good) > _recall(store, bad)
    for sql, want in (({"old": good, "new": bad}, "old"), ({"old": bad, "new": good}, "new")):
        assert _select(store, sql=sql).baseline == want


def test_at_a_tie_the_later_sql_version_is_the_baseline(store):
    twins = {name: Scripted(name, store, PARTS) for name in ("sql_v5.17", "sql_v5.18")}
    assert _select(store, sql=twins).baseline == "sql_v5.18"


def test_whole_alpha_curve_is_what_the_hybrid_would_score(store):
    settings = world.settings()
    sql, graph = {"sql": Noisy("sql", store, 1)}, Noisy("graph", store, 3)
    chosen = _select(store, sql=sql, graph=graph)
    assert [alpha for alpha, _ in chosen.alpha_curve] == sorted(settings.hybrid.alphas)

    def candidates(audience):
        train, floor = store.before(EARLIER.fitted_before), settings.eligibility.min_products_per_vehicle
        return Candidates(train, audience, world.eligible(store), settings.scoring, min_products_per_vehicle=floor)

    for alpha, recall in chosen.alpha_curve:
        hybrid = Hybrid(sql["sql"], graph, alpha, settings.hybrid.scale, candidates)
        assert recall == _recall(store, hybrid)
    best = max(recall for _, recall in chosen.alpha_curve)
    assert dict(chosen.alpha_curve)[chosen.alpha] == chosen.recalls["hybrid"] == best


def test_at_a_tie_the_larger_alpha_keeps_more_of_sql(store):
    same = Scripted("sql", store, PARTS)
    chosen = _select(store, sql={"sql": same}, graph=Scripted("graph", store, PARTS))
    assert chosen.alpha == 1.0


def test_smoother_grid_is_multiples_of_the_configured_strengths(store):
    settings = world.settings(evaluation={"smoother_multiples": (0.5, 1.0, 2.0)})
    chosen = _select(store, settings=settings)
    base = settings.baseline
    assert len(chosen.smoother_grid) == 9
    first = chosen.smoother_grid[0]
    assert (first.segment_strength, first.make_strength) == (
        base.smoother_segment_strength,
        base.smoother_make_strength,
    )
    assert chosen.smoother.recall == max(p.recall for p in chosen.smoother_grid) == chosen.recalls["smoother"]
    frozen = with_selection(settings, chosen).baseline
    assert frozen.smoother_segment_strength == chosen.smoother.segment_strength
    assert frozen.smoother_make_strength == chosen.smoother.make_strength


def test_smoother_is_the_candidate_when_it_is_better_on_validation(store):
    worst = Scripted("sql", store, PARTS[::-1])
    chosen = _select(store, sql={"sql": worst}, graph=Scripted("graph", store, PARTS[::-1]))
    assert chosen.candidate == "smoother"
    assert "ranks better than the graph" in chosen.reason
    assert chosen.graph_against_smoother.estimate < 0


@pytest.mark.parametrize(("high", "want"), [(0.02, "hybrid"), (-0.001, "smoother")])
def test_a_smoother_that_is_better_by_chance_alone_is_no_candidate(store, high, want):
    """Its strengths are the best of many pairs on these very users; the mean alone flatters it."""
    measured = _select(store).graph_against_smoother
    against = dataclasses.replace(measured, estimate=-0.04, low=-0.09, high=high)
    chosen, reason = _candidate({"smoother": 0.20, "hybrid": 0.19}, 0.2, (5,), against)
    assert chosen == want
    assert ("not beyond chance" in reason) == (want == "hybrid")


def test_hybrid_is_the_candidate_when_it_is_at_least_as_good(store):
    class Oracle(Scripted):
        """Knows April: what every audience row ordered then."""

        def prepare(self, audience):
            super().prepare(audience)
            self.scores = np.zeros((len(audience), len(store.product_ids)), dtype=np.float32)
            april = store.events.between(EARLIER.start, EARLIER.end)
            for row, user in enumerate(audience.user_A):
                if user >= 0:
                    self.scores[row, april.product_E[april.user_E == user]] = 1
                else:
                    self.scores[row] = np.bincount(april.product_E, minlength=len(store.product_ids))

        def score_block(self, start, stop):
            return self.scores[start:stop]

    chosen = _select(store, graph=Oracle("graph", store, []))
    assert chosen.candidate == "hybrid"
    assert chosen.alpha < 1
    assert "at least as well as the smoother" in chosen.reason
    # The very same recalls, but no gradient step helped: validation still decides, and the reason says so.
    untrained = _select(store, graph=Oracle("graph", store, []), best_step=0)
    assert untrained.recalls == chosen.recalls
    assert untrained.candidate == "hybrid"
    assert "No gradient step" in untrained.reason
    assert "No gradient step" not in chosen.reason


def test_the_test_window_cannot_influence_anything(store):
    tempting = [(f"u{i:02d}", "P23", "order", "2026-05-10") for i in range(40)]
    assert _select(_store(tempting)) == _select(store)


def test_nothing_after_the_last_validation_window_is_even_handed_on(store, monkeypatch):
    seen = []

    def spy(snapshot, *rest, **options):
        seen.append((snapshot.as_of, snapshot.events.ts_E.max()))
        return build_panel(snapshot, *rest, **options)

    monkeypatch.setattr("gnn_core.evaluation.selection.build_panel", spy)
    _select(_store([("u01", "P23", "order", "2026-05-10")]))
    assert all(as_of <= EARLIER.end and last < micros(EARLIER.end) for as_of, last in seen)
    assert seen


def test_a_window_with_another_role_is_refused(store):
    with pytest.raises(LeakageError, match="role test"):
        select([dataclasses.replace(_fitted(store), cut=CUT)], store, world.settings(), world.eligible(store))


def test_nothing_to_choose_on_is_an_error_that_says_what_to_do(store):
    with pytest.raises(DataError, match="no validation window"):
        select([], store, world.settings(), world.eligible(store))
    silent = make_snapshot(owns={"a": SEGMENTS[:1]}, fits=dict.fromkeys(PARTS, SEGMENTS))
    with pytest.raises(DataError, match="no evaluable user; widen"):
        _select(silent)


def test_selection_survives_json(store):
    chosen = _select(store)
    assert Selection.from_json(json.loads(json.dumps(chosen.as_json(), allow_nan=False))) == chosen


def test_several_windows_are_pooled(store):
    first = dataclasses.replace(
        EARLIER,
        name="validation_2026-03-01",
        fitted_before=np.datetime64("2026-03-01"),
        start=np.datetime64("2026-03-01"),
        end=EARLIER.start,
    )
    entries = [
        dataclasses.replace(_fitted(store), cut=first, train=store.before(first.fitted_before), best_step=0),
        _fitted(store),
    ]
    both = select(entries, store, world.settings(), world.eligible(store))
    assert (
        both.n_rows
        == select(entries[:1], store, world.settings(), world.eligible(store)).n_rows + _select(store).n_rows
    )
    assert both.cuts == ("validation_2026-03-01", EARLIER.name)
    # One window in which training helped is enough for the guard to keep silent.
    assert "No gradient step" not in both.reason
