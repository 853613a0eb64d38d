"""The rollout: what the platform does by itself, what a person may do, and a ledger that only grows."""

import dataclasses
import datetime as dt

import pytest

from gnn_core.errors import ConfigError, RolloutRefused
from gnn_core.experiment.guards import ctr_guard, freshness_guard, limit_guard, qa_guard
from gnn_core.experiment.rollout import (
    GREEN,
    HOLD,
    NO_DATA,
    RED,
    ROLLBACK,
    START,
    STEP,
    Guard,
    next_move,
    operate,
    served_share,
    stage_of,
    start,
)
from gnn_core.experiment.rollout_ledger import append_move, read_moves, rollout_table
from gnn_core.publishing.shares import live_share, share_note
from gnn_core.publishing.state import RECOVERED, LedgerEntry
from tests.core.experiment.experiment_world import ALL

RULES = ALL.rollout
ALL_GREEN = [Guard("clicks", GREEN, "Fine."), Guard("qa", GREEN, "Fine.")]
BLIND = [Guard("clicks", NO_DATA, "Nobody clicked yet."), Guard("qa", GREEN, "Fine.")]
BAD = [Guard("clicks", RED, "Customers click less."), Guard("qa", NO_DATA, "Not audited.")]


def _at(day):
    return dt.datetime(2026, 3, 16, tzinfo=dt.UTC) + dt.timedelta(days=day)


def _start(day=0, moves=(), **more):
    given = {"gate2_passed": True, "at": _at(day), "by": "Ada", "reason": "gate 2 passed", "before": 0.0, **more}
    return start(moves, settings=RULES, **given)


def _run(guards_by_day, moves=None):
    """The platform's moves, a day at a time, on top of a start."""
    moves = [_start()] if moves is None else list(moves)
    for day, guards in guards_by_day:
        moves.append(next_move(moves, guards, _at(day), RULES))
    return moves


def test_green_guards_take_two_weeks_from_a_tenth_to_everyone():
    moves = _run([(day, ALL_GREEN) for day in range(1, 20)])
    steps = [((m.at - _at(0)).days, m.to_share) for m in moves if m.action != HOLD]
    assert steps == [(0, 0.1), (3, 0.25), (7, 0.5), (14, 1.0)]
    assert [m.sequence for m in moves] == list(range(1, 21))
    assert moves[-1].reason.startswith("Everyone is served")


def test_days_count_from_the_publish_by_the_calendar():
    def at_day(day, since):
        return next_move([_start()], ALL_GREEN, _at(day), RULES, served_since=_at(since) + dt.timedelta(hours=8))

    assert [at_day(day, 0).action for day in (2, 3)] == [HOLD, STEP]  # Monday 08:00 to Thursday 00:00 are three days
    assert [at_day(day, 4).action for day in (5, 6, 7)] == [HOLD, HOLD, STEP]
    assert "Day 2 of 3" in at_day(6, 4).reason


def test_the_shares_of_publishes_are_read_as_one_row_that_another_share_breaks():
    def entry(n, share, action="publish", run=None):
        run = run or f"r{n}"
        note = share_note(share) if action == "publish" else ""
        return LedgerEntry(n, _at(n), action, run, "d", 1, 1, "s", "w.t", "s.v", note)

    rows = [entry(1, 0.1), entry(2, 0.25), entry(3, 0.25), entry(4, None), entry(5, 0.25), entry(6, 0.25)]
    found = [live_share(rows[:n]) for n in range(7)]
    assert [f and f.share for f in found] == [None, 0.1, 0.25, 0.25, None, 0.25, 0.25]
    assert [f.since for f in found[1:]] == [_at(n) for n in (1, 2, 2, 4, 5, 5)]
    back = live_share([*rows, entry(7, None, "rollback", "r1")])
    assert (back.run_id, back.share, back.since, back.rolled_back) == ("r1", 0.1, _at(7), True)
    repaired = dataclasses.replace(rows[1], note=f"{share_note(0.25)} {RECOVERED}")
    assert live_share([rows[0], repaired]).share == 0.25


def test_no_data_means_hold_and_not_go():
    moves = _run([(day, BLIND) for day in range(1, 18)])
    assert {m.to_share for m in moves} == {0.1}
    assert not any(m.needs_decision for m in moves)
    assert "Nobody clicked yet." in moves[-1].reason


def test_the_longest_hold_asks_for_a_person_and_a_persons_word_counts_anew():
    # Three days of the stage, then fourteen of holding.
    moves = _run([(17, BLIND), (18, BLIND)])
    assert [m.needs_decision for m in moves[1:]] == [False, True]
    assert moves[-1].alerts
    moves.append(operate(moves, HOLD, at=_at(18), by="Ada", reason="waiting for clicks", settings=RULES))
    moves.append(next_move(moves, BLIND, _at(30), RULES))
    assert not moves[-1].needs_decision
    assert next_move(moves, BLIND, _at(37), RULES).needs_decision


def test_what_a_person_holds_only_a_person_steps():
    moves = [_start()]
    moves.append(operate(moves, HOLD, at=_at(1), by="Ada", reason="holiday", settings=RULES))
    assert next_move(moves, ALL_GREEN, _at(9), RULES).action == HOLD
    moves.append(operate(moves, STEP, at=_at(10), by="Ada", reason="back", settings=RULES))
    assert moves[-1].to_share == 0.25
    assert next_move(moves, ALL_GREEN, _at(14), RULES).action == STEP
    assert next_move(moves[:2], BAD, _at(2), RULES).action == ROLLBACK  # a hold is no shield


def test_a_red_guard_rolls_back_by_itself_even_beside_one_without_data():
    moves = _run([(1, ALL_GREEN), (2, BAD)])
    assert (moves[-1].action, moves[-1].to_share, moves[-1].by) == (ROLLBACK, 0.0, "platform")
    assert moves[-1].alerts
    assert "Customers click less." in moves[-1].reason
    assert served_share(moves, before=1.0) == 0.0


def test_a_red_guard_rolls_back_from_everyone_too():
    moves = _run([(3, ALL_GREEN), (7, ALL_GREEN), (14, ALL_GREEN), (20, BLIND), (21, BAD)])
    assert [m.action for m in moves[-2:]] == [HOLD, ROLLBACK]


def test_after_a_rollback_only_a_person_starts_again():
    moves = _run([(1, BAD)])
    with pytest.raises(RolloutRefused, match="rolled back and stays so"):
        next_move(moves, ALL_GREEN, _at(2), RULES)
    with pytest.raises(RolloutRefused, match="rolled back and stays so"):
        operate(moves, STEP, at=_at(2), by="Ada", reason="x", settings=RULES)
    again = _start(3, moves)
    assert (again.action, again.from_share, again.to_share, again.sequence) == (START, 0.0, 0.1, 3)
    assert not stage_of([*moves, again]).rolled_back


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"gate2_passed": False}, "gate 2 has not passed"),
        ({"by": " "}, "give a person's name"),
        ({"by": "platform"}, "give a person's name"),
        ({"reason": ""}, "give a reason"),
        ({"at": dt.datetime(2026, 3, 16)}, "no time zone"),  # noqa: DTZ001
    ],
)
def test_a_start_is_refused_without(more, words):
    with pytest.raises(RolloutRefused, match=words):
        _start(**more)


def test_a_start_while_it_runs_is_refused():
    with pytest.raises(RolloutRefused, match="it runs already, at 10%"):
        _start(1, [_start()])


def test_a_later_experiment_that_passed_starts_its_own_rollout_on_top_of_a_finished_one():
    everyone = _run([(3, ALL_GREEN), (7, ALL_GREEN), (14, ALL_GREEN)])
    second = _at(21).date()
    again = _start(35, everyone, experiment_start=second)
    assert (again.from_share, again.to_share, again.sequence) == (1.0, 0.1, 5)
    assert stage_of([*everyone, again]).since == _at(35)
    with pytest.raises(RolloutRefused, match="it runs already, at 10%"):
        _start(36, [*everyone, again], experiment_start=second)
    with pytest.raises(RolloutRefused, match="it runs already, at 100%"):
        _start(20, everyone, experiment_start=second)  # nothing of that experiment was sent yet


def test_moves_need_a_start_a_known_word_and_a_further_stage():
    with pytest.raises(RolloutRefused, match="has not started"):
        next_move([], ALL_GREEN, _at(0), RULES)
    with pytest.raises(RolloutRefused, match="'jump' is no move"):
        operate([_start()], "jump", at=_at(1), by="Ada", reason="x", settings=RULES)
    everyone = _run([(3, ALL_GREEN), (7, ALL_GREEN), (14, ALL_GREEN)])
    with pytest.raises(RolloutRefused, match="no further stage"):
        operate(everyone, STEP, at=_at(15), by="Ada", reason="x", settings=RULES)
    with pytest.raises(RolloutRefused, match="before the last move"):
        next_move(everyone, ALL_GREEN, _at(13), RULES)


@pytest.mark.parametrize("guards", [[], [ALL_GREEN[0], ALL_GREEN[0]]])
def test_no_guard_and_a_guard_read_twice_move_nothing(guards):
    with pytest.raises(RolloutRefused, match="read each guard once"):
        next_move([_start()], guards, _at(3), RULES)


def test_before_its_start_the_config_decides_who_is_served():
    assert served_share([], before=0.3) == 0.3
    assert stage_of([]) is None


@pytest.mark.parametrize("stages", [(0.1, 0.1, 1.0), (0.5, 0.25, 1.0), (0.1, 0.5), (0.0, 1.0)])
def test_stages_that_do_not_rise_to_everyone_are_refused(stages):
    with pytest.raises(ConfigError, match="shares must rise"):
        dataclasses.replace(RULES, stages=stages, stage_days=(1,) * (len(stages) - 1))


@pytest.fixture
def in_dataset(dataset):
    return dataclasses.replace(ALL, warehouse=dataclasses.replace(ALL.warehouse, serving_dataset=dataset))


def test_the_ledger_gives_back_what_was_appended(any_warehouse, in_dataset):
    assert read_moves(any_warehouse, in_dataset) == []
    moves = _run([(1, ALL_GREEN), (3, ALL_GREEN), (4, BAD)])
    for move in moves:
        append_move(any_warehouse, in_dataset, move)
    assert read_moves(any_warehouse, in_dataset) == moves
    assert any_warehouse.row_count(rollout_table(in_dataset)) == 4


def test_a_move_that_somebody_overtook_is_refused(duckdb_warehouse):
    first, other = _start(), _start(by="Eve")
    append_move(duckdb_warehouse, ALL, first)
    with pytest.raises(RolloutRefused, match="somebody moved in between"):
        append_move(duckdb_warehouse, ALL, other)
    with pytest.raises(RolloutRefused, match="somebody moved in between"):
        append_move(duckdb_warehouse, ALL, dataclasses.replace(other, sequence=2, from_share=0.5))


def test_two_who_hold_at_once_leave_one_row(duckdb_warehouse):
    moves = [_start()]
    append_move(duckdb_warehouse, ALL, moves[0])
    for person in ("Ada", "Eve"):
        hold = operate(moves, HOLD, at=_at(1), by=person, reason="wait", settings=RULES)
        if person == "Ada":
            append_move(duckdb_warehouse, ALL, hold)
        else:
            with pytest.raises(RolloutRefused, match="somebody moved in between"):
                append_move(duckdb_warehouse, ALL, hold)


def test_a_ledger_changed_by_hand_is_refused(duckdb_warehouse):
    for move in _run([(1, ALL_GREEN), (3, ALL_GREEN)]):
        append_move(duckdb_warehouse, ALL, move)
    table = rollout_table(ALL)
    rows = duckdb_warehouse.read(table)
    duckdb_warehouse.load(table, rows.slice(0, 1))
    duckdb_warehouse.load(table, rows.slice(2, 1), replace=False)
    with pytest.raises(RolloutRefused, match="does not follow from the one before it"):
        read_moves(duckdb_warehouse, ALL)


@pytest.mark.parametrize(
    ("clickers", "users", "state"),
    [
        pytest.param((1_000, 1_000), (100_000, 100_000), GREEN, id="the margin is excluded"),
        pytest.param((120, 120), (12_000, 12_000), NO_DATA, id="too small a sample to see the margin"),
        pytest.param((400, 1_000), (100_000, 100_000), RED, id="a loss is shown"),
        pytest.param((40, 29), (50_000, 50_000), NO_DATA, id="few clickers"),
        pytest.param((2, 400), (50_000, 50_000), RED, id="a policy that nobody clicks"),
        pytest.param((0, 110), (100, 924), RED, id="a tenth of the users that nobody of clicks"),
        pytest.param((0, 20), (100, 924), NO_DATA, id="no clicks where two were to be expected"),
        pytest.param((0, 0), (0, 100), NO_DATA, id="an empty group"),
        pytest.param((600, 5_400), (50_000, 450_000), GREEN, id="a tenth of the users is enough here"),
    ],
)
def test_the_click_guard(clickers, users, state):
    guard = ctr_guard(clickers[0], users[0], clickers[1], users[1], margin=0.2, harm=0.5, confidence=0.95)
    assert guard.state == state, guard.sentence


@pytest.mark.parametrize(("harm", "enough"), [(0.5, 61), (0.2, 140)])
def test_a_guard_made_for_a_large_loss_shows_one_sooner(harm, enough):
    states = [
        ctr_guard(0, 100, control, 924, margin=0.2, harm=harm, confidence=0.95).state
        for control in (enough - 1, enough)
    ]
    assert states == [NO_DATA, RED]


@pytest.mark.slow
def test_the_click_guard_keeps_its_word_over_many_readings():
    # 14 daily readings of two equal groups: it turns red in far fewer than one of twenty.
    import numpy as np

    rng = np.random.default_rng(7)
    red = 0
    for _ in range(100):
        t, c = (np.cumsum(rng.binomial(50_000, 0.001, 14)) for _ in range(2))
        red += any(
            ctr_guard(int(a), 50_000, int(b), 50_000, margin=0.2, harm=0.5, confidence=0.95).state == RED
            for a, b in zip(t, c, strict=True)
        )
    assert red <= 5


def test_limits_rules_and_age():
    assert limit_guard("coverage", 0.97, at_least=0.95).state == GREEN
    assert limit_guard("coverage", 0.94, at_least=0.95).state == RED
    assert limit_guard("psi", 0.3, at_most=0.25).state == RED
    assert limit_guard("psi", None, at_most=0.25).state == NO_DATA
    assert [qa_guard(x).state for x in (None, [], ["price_floor"])] == [NO_DATA, GREEN, RED]
    assert [freshness_guard(x, _at(10), 9).state for x in (None, _at(2), _at(0))] == [NO_DATA, GREEN, RED]
