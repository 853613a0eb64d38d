"""What verdicts say, when a rule is not judged, and when there is no verdict at all."""

from typing import Any

import pyarrow as pa
import pytest

from gnn_core.errors import TableNotFoundError, WarehouseError
from gnn_core.experiment.rollout import START, Move
from gnn_core.experiment.rollout_ledger import append_move
from gnn_core.io.sql import load_sql
from gnn_core.io.warehouse import TableName
from gnn_core.publishing import audit as audit_module
from gnn_core.publishing.audit import RULE_NAMES, audit, audit_structure, hashed_user
from gnn_core.publishing.rules import ROW_RULES
from gnn_core.publishing.schema import REQUIRED, live_table
from gnn_core.stores.week import WeekTables
from tests.core.publishing.world import (
    AT,
    CAMARO,
    NEW,
    OLD,
    WEEK,
    as_table,
    both,
    change,
    good_rows,
    in_arms,
    load_directly,
    make_settings,
    offer,
)


def verdict(verdicts, rule):
    return next(v for v in verdicts if v.rule == rule)


def failing(verdicts):
    return {v.rule for v in verdicts if not v.passed}


def test_examples_hash_users_and_name_products(served, settings):
    rows = change("u02", 1, price=1.0)(change("u01", 1, price=2.5)(good_rows()))
    found = verdict(audit(served, load_directly(served, "x", rows), WEEK, settings, None), "price_floor")
    assert found.examples == (
        {"user": hashed_user("u01"), "product_id": "P10", "found": "2.5 USD"},
        {"user": hashed_user("u02"), "product_id": "P10", "found": "1 USD"},
    )
    # first 12 digits of `printf u01 | sha256sum`
    assert hashed_user("u01") == "2055254ee30a"
    assert (found.n_bad, found.observed, found.threshold) == (2, 2.0, 0.0)
    assert found.sentence == "No product costs less than 50 USD."
    assert "u01" not in str(found.as_metadata())


def test_offenders_are_all_counted_and_few_are_shown(served, settings):
    rows = [r | {"price": 1.0} for r in good_rows()]
    found = verdict(audit(served, load_directly(served, "x", rows), WEEK, settings, None), "price_floor")
    assert (found.n_bad, len(found.examples)) == (39, 3)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda t: t.drop_columns(["reason"]), id="column missing"),
        pytest.param(lambda t: t.append_column("email", pa.array(["x"] * len(t))), id="column more"),
        pytest.param(lambda t: t.select([*t.column_names[1:], t.column_names[0]]), id="other order"),
        pytest.param(lambda t: t.set_column(3, "slot", t["slot"].cast(pa.float64())), id="other type"),
    ],
)
def test_other_columns_fail_every_rule(served, settings, spoil):
    staging = load_directly(served, "x", spoil(as_table(good_rows())))
    verdicts = audit(served, staging, WEEK, settings, live_table(settings))
    assert [v.rule for v in verdicts] == list(RULE_NAMES)
    assert [v.judged for v in verdicts] == [True] + [False] * (len(RULE_NAMES) - 1)
    assert failing(verdicts) == set(RULE_NAMES)
    assert [v.rule for v in audit_structure(served, staging, settings, AT)] == ["declared_schema"]


def test_no_previous_publish_passes_and_says_so(served, settings):
    staging = load_directly(served, "x", good_rows())
    for live in (None, TableName("serving", "nothing_here")):
        found = verdict(audit(served, staging, WEEK, settings, live), "row_change")
        assert (found.passed, found.sentence) == (True, "There is no previous publish to compare the row count with.")


def test_whole_table_verdicts_carry_their_numbers(served, settings):
    staging = load_directly(served, "x", good_rows(users=["u01", "u02", "u03"]))
    verdicts = audit(served, staging, WEEK, settings, live_table(settings))
    users, cover, rows = (verdict(verdicts, r) for r in ("min_users", "coverage", "row_change"))
    assert (users.observed, users.threshold, users.n_bad) == (3.0, 6.0, 3)
    assert (cover.observed, cover.threshold, cover.n_bad) == (0.3, 0.8, 7)
    assert (rows.observed, rows.threshold) == (pytest.approx(12 / 39 - 1), 0.31)
    assert "from 39 to 12, -69.2%" in rows.sentence


def test_coverage_counts_only_users_who_could_be_served(served):
    # No vehicle has nine eligible products but the 2018 Mustang (P18 is its ninth), owned by u02 and u07.
    settings = make_settings(eligibility={"min_products_per_vehicle": 9})
    staging = load_directly(served, "x", good_rows(users=["u02", "u01", "u03"]))
    found = verdict(audit(served, staging, WEEK, settings, None), "coverage")
    assert (found.observed, found.n_bad, found.passed) == (0.5, 1, False)


def test_coverage_without_anyone_to_serve_is_no_pass(served):
    settings = make_settings(eligibility={"min_products_per_vehicle": 1000}, publish={"min_coverage": 0.0})
    found = verdict(audit(served, load_directly(served, "x", good_rows()), WEEK, settings, None), "coverage")
    assert not found.passed


def test_coverage_asks_only_for_those_with_consent_where_it_is_required(served):
    settings = make_settings(eligibility={"require_email_consent": True}, publish={"min_coverage": 1.0})
    staging = load_directly(served, "x", [r for r in good_rows() if r["user_id"] != "u06"])
    assert failing(audit(served, staging, WEEK, settings, None)) == set()


def test_second_vehicle_of_an_owner_is_good(served, settings):
    staging = load_directly(served, "x", change("u02", 1, vehicle_id=CAMARO)(good_rows()))
    assert failing(audit(served, staging, WEEK, settings, None)) == set()


def test_universal_product_is_good_when_allowed_and_labelled(served):
    spoil = both(offer("u01", s4="UNI"), change("u01", 4, fitment_proof="universal"))
    settings = make_settings(scoring={"universal_candidates": 1})
    assert failing(audit(served, load_directly(served, "x", spoil(good_rows())), WEEK, settings, None)) == set()


def test_purchase_just_outside_the_window_is_good(served):
    rows = load_directly(served, "x", offer("u08", s4="P50")(good_rows()))
    settings = make_settings(scoring={"purchase_exclusion_days": 364})
    assert failing(audit(served, rows, WEEK, settings, None)) == set()


def test_equal_scores_do_not_rise(served, settings):
    rows = [r | {"final_score": 0.5} for r in good_rows()]
    assert failing(audit(served, load_directly(served, "x", rows), WEEK, settings, None)) == set()


def test_more_slots_than_the_view_shows_are_refused_whatever_the_settings_say(served):
    settings = make_settings(scoring={"slots": 5})
    rows = [*good_rows(), good_rows()[0] | {"slot": 5, "final_score": 0.1} | {"product_id": "P50"}]
    found = audit(served, load_directly(served, "x", rows), WEEK, settings, None)
    assert "contiguous_slots" in failing(found)


def test_missing_tables_are_errors_not_verdicts(served, settings):
    with pytest.raises(TableNotFoundError, match="never_staged"):
        audit(served, TableName("work", "never_staged"), WEEK, settings, None)
    staging = load_directly(served, "x", good_rows())
    with pytest.raises(TableNotFoundError, match="products_19990104"):
        audit(served, staging, WeekTables(WEEK.as_of.replace(1999, 1, 4)), settings, None)


def test_rule_that_cannot_run_is_an_error(served, settings, monkeypatch):
    def broken(name):
        return "SELECT no_such_column AS user_id FROM {staging}" if name == "audit/price_floor" else load_sql(name)

    monkeypatch.setattr(audit_module, "load_sql", broken)
    with pytest.raises(WarehouseError, match="audit price_floor"):
        audit(served, load_directly(served, "x", good_rows()), WEEK, settings, None)


def test_audit_leaves_nothing_behind(served, settings):
    audit(served, load_directly(served, "x", good_rows()), WEEK, settings, None)
    assert served.list_tables("work", "audit_") == []


@pytest.mark.parametrize("holdout", [0.0, 0.3])
def test_arms_as_they_are_served_are_good(served, holdout):
    running = make_settings(experiment={"start": "2026-06-01", "holdout_share": holdout})
    rows = in_arms(good_rows(), holdout_share=holdout)
    assert ("holdout" in {r["arm"] for r in rows}) is bool(holdout)
    assert failing(audit(served, load_directly(served, "x", rows), WEEK, running, None)) == set()


def test_after_an_experiment_the_holdout_keeps_its_arm_and_nobody_else(served):
    over = make_settings(experiment={"start": "2026-05-04", "holdout_share": 0.3})
    rows = in_arms(good_rows(), holdout_share=0.3)
    alone = [r if r["arm"] == "holdout" else r | {"arm": None} for r in rows]
    assert failing(audit(served, load_directly(served, "x", alone), WEEK, over, None)) == set()
    for spoiled in (rows, [r | {"arm": None} for r in rows], [r | {"source": "hybrid"} for r in alone]):
        assert failing(audit(served, load_directly(served, "x", spoiled), WEEK, over, None)) == {"assigned_arms"}


def test_a_rollout_ends_the_arms_of_the_experiment_before_it(warehouse):
    running = make_settings(experiment={"start": "2026-05-25"})
    started = Move(1, AT, START, 0.0, 0.1, "Ada", "gate 2 passed")
    append_move(warehouse, running, started)
    rows, arms = good_rows(), in_arms(good_rows())
    assert failing(audit(warehouse, load_directly(warehouse, "x", rows), WEEK, running, None)) == set()
    assert failing(audit(warehouse, load_directly(warehouse, "x", arms), WEEK, running, None)) == {"assigned_arms"}


def test_every_required_column_is_looked_at():
    text = load_sql("audit/required_values")
    assert [c for c in REQUIRED if f"({c}, '') = ''" not in text and f"{c} IS NULL" not in text] == []


def test_structural_rules_ask_for_no_table_of_a_week():
    for rule in ROW_RULES:
        if rule.structural:
            assert set(audit_module.placeholders(load_sql(f"audit/{rule.name}"))) == {"staging"}, rule.name


def shares(served, rows, **publish: float):
    """The verdict on one product's share, of policies of any size unless told."""
    settings = make_settings(publish={"product_share_users": 1} | publish)
    return verdict(audit(served, load_directly(served, "x", rows), WEEK, settings, None), "product_share")


def lists_of(vehicles: dict[str, int], product: str, n_with: int, source: str = "hybrid") -> list[dict[str, Any]]:
    """Lists of one slot, so many for owners of each vehicle; `n_with` hold the product, others none twice."""
    (row,) = [r for r in good_rows(users=["u01"]) if r["slot"] == 1]
    owned = [vehicle for vehicle, n in vehicles.items() for _ in range(n)]
    return [
        row
        | {
            "user_id": f"{source}{n}",
            "vehicle_id": v,
            "source": source,
            "product_id": product if n < n_with else f"X{n}",
        }
        for n, v in enumerate(owned)
    ]


def test_one_product_in_most_lists_stops_a_table(served):
    owners = {OLD: 4, NEW: 3, CAMARO: 3}
    assert shares(served, lists_of(owners, "P10", 5), max_product_share=0.5).passed
    found = shares(served, lists_of(owners, "P10", 6), max_product_share=0.5)
    assert (found.passed, found.observed, found.threshold, found.n_bad) == (False, 0.6, 0.5, 6)
    assert found.examples == ({"product_id": "P10", "found": "in 6 of 10 lists"},)
    assert "P10 in 60.0% of 10 lists of hybrid, the commonest vehicle in 40.0%" in found.sentence


def test_owners_of_one_vehicle_may_all_be_shown_the_same(served):
    """In a store where one vehicle is everybody's, users without a history have one list."""
    assert shares(served, lists_of({OLD: 10}, "P10", 10), max_product_share=0.5).passed
    assert shares(served, lists_of({OLD: 7, NEW: 3}, "P10", 7), max_product_share=0.5).passed
    assert not shares(served, lists_of({OLD: 7, NEW: 3}, "P10", 8), max_product_share=0.5).passed


def test_a_policy_with_a_tenth_of_the_lists_is_judged_by_its_own(served):
    owners = {OLD: 4, NEW: 3, CAMARO: 3}
    many = [row for n in range(9) for row in lists_of(owners, "P20", 0, f"sql{n}")]
    rows = [row | {"source": "sql_v5.17"} for row in many] + lists_of(owners, "P10", 9)
    found = shares(served, rows, max_product_share=0.5)
    assert (found.passed, found.observed) == (False, 0.9)


def test_a_handful_of_lists_is_not_judged(served):
    rows = lists_of({OLD: 4, NEW: 3, CAMARO: 3}, "P10", 10)
    assert not shares(served, rows, product_share_users=10).passed
    found = shares(served, rows, product_share_users=11)
    assert (found.passed, found.sentence) == (
        True,
        "No policy has the 11 lists from which on a product's share is judged.",
    )


def test_a_rollback_asks_for_a_products_share_too(served):
    staging = load_directly(served, "x", lists_of({OLD: 4, NEW: 3, CAMARO: 3}, "P10", 10))
    settings = make_settings(publish={"product_share_users": 1})
    assert "product_share" in failing(audit_structure(served, staging, settings, AT))
