"""What a week's figures mean: a warning names its limit, and what cannot be there is not applicable."""

import dataclasses

import pytest

from gnn_core.experiment.guards import coverage_guard, input_guard
from gnn_core.experiment.intervals import lift_of_rates
from gnn_core.experiment.rollout import GREEN, NO_DATA, RED
from gnn_core.monitoring.mail_rates import MailWeek, Rates
from gnn_core.monitoring.weekly import CHECKS, NOT_APPLICABLE, OK, WARN, weekly_findings
from tests.core.experiment.experiment_world import ALL

LIMITS = ALL.monitoring


def _mail(clicks, before, sends=20_000, buyers=40):
    now, past = Rates(sends, 0, clicks, sends, buyers), Rates(sends * 8, 0, before, sends * 8, 320)
    return MailWeek(
        now, past, 8, lift_of_rates(clicks, sends, before, sends * 8, 0.95),
        lift_of_rates(buyers, sends, 320, sends * 8, 0.95),
    ).as_json()  # fmt: skip


GOOD = {
    "cold_coverage": 0.99, "fallback_share": 0.0, "vehicles": 2_000, "gini": 0.97, "shared_products": 0.02,
    "part_types_per_list": 3.5,
    "catalogue_coverage": 0.1, "intra_list_distance": 0.4, "mail": _mail(100, 800), "coverage": 1.0,
    "scores": {"by_source": {"hybrid": {"psi": 0.02, "by_chance": 0.01}}, "why": "2026-02-16"},
}  # fmt: skip
PUBLIC = GOOD | {
    "cold_coverage": None, "vehicles": 1, "gini": 0.999, "shared_products": 0.9,
    "catalogue_coverage": 0.001, "intra_list_distance": None,
    "mail": _mail(0, 0, sends=0, buyers=0), "scores": {"by_source": {}, "why": "no earlier week was served"},
}  # fmt: skip


def test_a_good_week_warns_of_nothing():
    found = weekly_findings(GOOD, LIMITS)
    assert list(found) == list(CHECKS)
    assert {f.state for f in found.values()} == {OK}


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"cold_coverage": 0.94}, "cold_users_are_served", "94% of the cold users have a list, less than 95%"),
        ({"fallback_share": 0.06}, "few_slots_fall_back", "more than 5%"),
        ({"shared_products": 0.26}, "lists_are_not_all_alike", "26% of a list stand in that of another user"),
        ({"part_types_per_list": 1.9}, "lists_hold_several_kinds", "less than 2"),
        ({"catalogue_coverage": 0.01}, "the_catalogue_is_used", "1% of the eligible products"),
        ({"intra_list_distance": 0.01}, "products_of_a_list_differ", "less than 0.05"),
        ({"mail": _mail(60, 800)}, "clicks_hold_up", "0.0030 in the week, 0.0050 in the 8 before"),
        ({"mail": _mail(100, 800, buyers=10)}, "orders_hold_up", "below 0.5 times"),
        (
            {"scores": {"by_source": {"hybrid": {"psi": 0.3, "by_chance": 0.01}}, "why": "w"}},
            "scores_keep_their_distribution",
            "PSI 0.300 of the first slot's score under hybrid (chance alone stays below 0.010, the alarm is at 0.25)",
        ),
    ],
)
def test_each_figure_beyond_its_limit_warns_alone_and_says_by_how_much(change, name, words):
    found = weekly_findings(GOOD | change, LIMITS)
    assert [f.name for f in found.values() if f.state == WARN] == [name]
    assert not found[name].passed
    assert words in found[name].sentence


def test_a_loss_of_clicks_that_may_be_chance_does_not_warn():
    # 3 against 5 expected clicks: 40 % fewer, and no evidence at all.
    found = weekly_findings(GOOD | {"mail": _mail(3, 40, sends=1_000)}, LIMITS)["clicks_hold_up"]
    assert found.value == pytest.approx(0.6)
    assert found.state == OK


def test_a_public_store_is_not_warned_of_what_it_cannot_have():
    found = weekly_findings(PUBLIC, LIMITS)
    assert all(f.passed for f in found.values())
    absent = {name: f.sentence for name, f in found.items() if f.state == NOT_APPLICABLE}
    assert "no e-mails" in absent["clicks_hold_up"]
    assert "no e-mails" in absent["orders_hold_up"]
    assert "one vehicle fits everything" in absent["lists_are_not_all_alike"]
    assert "one vehicle fits everything" in absent["the_catalogue_is_used"]
    assert "no user of this store is cold" in absent["cold_users_are_served"]
    assert "no earlier week" in absent["scores_keep_their_distribution"]
    assert "vectors" in absent["products_of_a_list_differ"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"cold_coverage": LIMITS.min_cold_coverage}, "cold_users_are_served"),
        ({"fallback_share": LIMITS.max_fallback_share}, "few_slots_fall_back"),
        ({"shared_products": LIMITS.max_shared_products}, "lists_are_not_all_alike"),
        ({"part_types_per_list": LIMITS.min_part_types_per_list}, "lists_hold_several_kinds"),
        ({"catalogue_coverage": LIMITS.min_catalogue_coverage}, "the_catalogue_is_used"),
        ({"intra_list_distance": LIMITS.min_intra_list_distance}, "products_of_a_list_differ"),
    ],
)
def test_a_figure_at_its_limit_keeps_it(change, name):
    assert weekly_findings(GOOD | change, LIMITS)[name].state == OK


def test_a_week_without_e_mails_after_weeks_with_them_is_told_from_a_store_without_any():
    quiet = weekly_findings(GOOD | {"mail": _mail(0, 800, sends=0, buyers=0) | {"reference": {"sends": 9_000}}}, LIMITS)
    assert quiet["clicks_hold_up"].sentence == "Not applicable: the week has 0 sends, fewer than 1,000."
    nobody = weekly_findings(GOOD | {"mail": _mail(5, 0)}, LIMITS)["clicks_hold_up"]
    assert (nobody.state, "nobody did in the weeks before" in nobody.sentence) == (NOT_APPLICABLE, True)


def test_the_scores_that_moved_most_are_told_and_chance_moves_none():
    def found(**by_source):
        return weekly_findings(GOOD | {"scores": {"by_source": by_source, "why": "w"}}, LIMITS)[
            "scores_keep_their_distribution"
        ]

    moved = found(hybrid={"psi": 0.3, "by_chance": 0.01}, sql={"psi": 0.02, "by_chance": 0.01})
    assert (moved.state, moved.value) == (WARN, 0.3)
    # .5 is less than chance gives to so few scores, and .3 is more.
    few = found(hybrid={"psi": 0.5, "by_chance": 0.6}, sql={"psi": 0.3, "by_chance": 0.01})
    assert (few.state, few.value) == (WARN, 0.3)
    assert found(hybrid={"psi": 0.5, "by_chance": 0.6}).state == OK


def test_few_products_of_a_large_catalogue_are_no_likeness():
    concentrated = weekly_findings(GOOD | {"gini": 0.995, "shared_products": 0.02}, LIMITS)["lists_are_not_all_alike"]
    assert (concentrated.state, "Gini over all products 0.995" in concentrated.sentence) == (OK, True)
    alone = weekly_findings(GOOD | {"shared_products": None}, LIMITS)["lists_are_not_all_alike"]
    assert (alone.state, alone.sentence) == (NOT_APPLICABLE, "Not applicable: one user has a list.")


def test_too_few_sends_say_nothing():
    few = weekly_findings(GOOD | {"mail": _mail(0, 40, sends=999)}, LIMITS)["clicks_hold_up"]
    assert (few.state, "999 sends, fewer than 1,000" in few.sentence) == (NOT_APPLICABLE, True)
    enough = dataclasses.replace(LIMITS, min_sends=999)
    assert weekly_findings(GOOD | {"mail": _mail(0, 400, sends=999)}, enough)["clicks_hold_up"].state == WARN


def test_the_coverage_guard_reads_the_cold_or_everyone():
    assert coverage_guard(None, 0.95).state == NO_DATA
    assert coverage_guard(GOOD, 0.95).state == GREEN
    assert coverage_guard(GOOD | {"cold_coverage": 0.9}, 0.95).state == RED
    assert coverage_guard(PUBLIC, 0.95).state == GREEN
    assert coverage_guard(PUBLIC | {"coverage": 0.5}, 0.95).state == RED


def test_the_input_guard_holds_without_data_and_turns_red_at_the_alarm_alone():
    assert input_guard(None).state == NO_DATA
    assert input_guard({"worst": None}).state == NO_DATA
    assert input_guard({"worst": {"state": "moved", "sentence": "s"}}).state == GREEN
    assert input_guard({"worst": {"state": "another population", "sentence": "s"}}).state == RED
