"""Bad rows are counted under their reason, and never reach the metric."""

import numpy as np
import pandas as pd
import pytest

from gnn_core.errors import ContractError
from gnn_core.experiment.assignment import CONTROL, HOLDOUT, TREATMENT
from gnn_core.experiment.engagement import COUNTED, Window, count_outcomes
from tests.core.experiment.experiment_world import assigned, at, engagements, orders, sends, settings, window

USERS = assigned(("c1", CONTROL), ("c2", CONTROL), ("t1", TREATMENT), ("t2", TREATMENT))
SENDS = sends(("s1", "c1", CONTROL, 0.3), ("s2", "t1", TREATMENT, 0.3), ("s3", "t1", TREATMENT, 7.3))


def _count(a=USERS, s=SENDS, e=None, o=None, w=None):
    return count_outcomes(a, s, engagements() if e is None else e, o, w or window(), settings())


def _user(outcomes, user):
    return outcomes.users.set_index("user_id").loc[user]


def test_a_user_counts_once_however_often_they_click():
    found = _count(e=engagements(*[("s2", "click", d) for d in (0.4, 0.5, 1.4)], ("s3", "click", 7.5)))
    t1 = _user(found, "t1")
    assert (t1["clicks"], t1["clicked"], t1["click_day"], t1["sends"]) == (2, True, 0, 2)
    assert found.engagements["repeated"] == 2
    assert found.engagements[COUNTED] == 2
    assert len(found.users) == 4  # a user without a send stays in the denominator


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("nobody", "click", 1.0), "unknown tracking id"),
        (("s1", "click", 16.5), "engaged after the as-of date"),
        (("s1", "click", 0.2), "before its send"),
        (("s1", "click", 7.31), "too long after its send"),
        (("s1", "unsubscribe", 1.0), "kind not used"),
    ],
)
def test_each_bad_engagement_has_its_reason_and_moves_nothing(row, reason):
    found = _count(e=engagements(row))
    assert found.engagements[reason] == 1
    assert found.engagements[COUNTED] == 0
    assert not found.users["clicked"].any()


@pytest.mark.parametrize(("day", "counts"), [(0.2968, True), (0.2960, False)])
def test_a_clock_may_run_ahead_by_five_minutes_and_no_more(day, counts):
    # The send is at day 0.3; five minutes are 0.00347 days.
    assert bool(_user(_count(e=engagements(("s1", "click", day))), "c1")["clicked"]) is counts


def test_a_dropped_early_row_does_not_hide_the_good_one():
    found = _count(e=engagements(("s1", "click", 0.1), ("s1", "click", 0.5)))
    assert _user(found, "c1")["clicked"]
    assert (found.engagements["before its send"], found.engagements["repeated"]) == (1, 0)


def test_what_settles_after_the_reading_never_counts_however_late_it_is_read():
    late = sends(("s9", "c2", CONTROL, 13.3))
    rows = engagements(("s9", "click", 16.1))
    assert not _user(_count(s=late, e=rows, w=window(at(30))), "c2")["clicked"]
    assert _count(s=late, e=rows, w=window(at(30))).engagements["after the reading"] == 1
    settled = _count(s=late, e=engagements(("s9", "click", 15.0)))
    assert _user(settled, "c2")["click_day"] == 13  # belongs to the last day


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("s4", "c1", CONTROL, 16.5), "sent after the as-of date"),
        (("s4", "c1", CONTROL, -0.1), "outside the window"),
        (("s4", "c1", CONTROL, 14.0), "outside the window"),
        (("s1", "c2", CONTROL, 1.0), "repeated tracking id"),
        (("s4", "stranger", CONTROL, 1.0), "user without assignment"),
        (("s4", "c1", "sql_v5.18", 1.0), "arm of another programme"),
    ],
)
def test_each_bad_send_has_its_reason_and_its_clicks_move_nothing(row, reason):
    s = pd.concat([SENDS, sends(row)], ignore_index=True)
    clicks = engagements(("s4", "click", max(0.0, row[3]) + 0.1)) if row[0] == "s4" else engagements()
    found = _count(s=s, e=clicks)
    assert found.sends[reason] == 1
    assert found.sends[COUNTED] == 3
    assert not found.users["clicked"].any()
    assert sum(found.sends.values()) == len(s)


def test_a_user_in_two_arms_is_left_out_and_counted():
    both = pd.concat([USERS, assigned(("c1", TREATMENT))], ignore_index=True)
    found = _count(a=both, e=engagements(("s1", "click", 0.5)))
    assert found.n_two_arms == 1
    assert "c1" not in set(found.users["user_id"])
    assert found.sends["user in two arms"] == 1
    assert found.engagements["its send is not counted"] == 1


def test_holdout_and_ineligible_users_are_left_out_and_counted():
    extra = assigned(("h1", HOLDOUT), ("x1", CONTROL, False))
    found = _count(a=pd.concat([USERS, extra], ignore_index=True), s=sends(("s8", "x1", CONTROL, 1.0)))
    assert found.left_out == {"in two arms": 0, "holdout": 1, "not eligible before the assignment": 1}
    assert found.sends["user not in the analysis"] == 1


def test_a_send_under_the_other_arms_name_stays_with_the_arm_of_the_assignment():
    found = _count(s=sends(("s1", "c1", TREATMENT, 0.3)), e=engagements(("s1", "click", 0.4)))
    assert found.crossovers == 1
    assert _user(found, "c1")["arm"] == CONTROL
    assert _user(found, "c1")["clicked"]
    assert found.sends_by_day[CONTROL][0] == 1


def test_a_click_without_an_open_is_an_open_too():
    found = _count(e=engagements(("s1", "click", 0.4)))
    assert (_user(found, "c1")["opens"], found.clicks_without_open) == (1, 1)


def test_an_order_counts_once_and_every_line_has_a_fate():
    rows = orders(
        ("c1", "o1", 1.0, 2, 60.0), ("c1", "o1", 1.0, 1, None), ("c1", "o2", 3.0, 1, 100.0), ("t1", None, 1.0, 1, 50.0),
        ("t1", "o3", -1.0, 1, 50.0), ("t1", "o4", 14.0, 1, 50.0), ("stranger", "o5", 1.0, 1, 50.0),
    )  # fmt: skip
    found = _count(o=rows)
    c1 = _user(found, "c1")
    assert (c1["orders"], c1["bought"], c1["order_day"], c1["revenue"]) == (2, True, 1, 220.0)
    assert not _user(found, "t1")["bought"]
    assert found.orders == {
        COUNTED: 3, "no order id": 1, "outside the window": 2, "user without assignment": 1,
        "user not in the analysis": 0,
    }  # fmt: skip
    assert found.lines_without_price == 1


def test_nothing_at_all_counts_as_nothing():
    found = _count(s=sends(), e=engagements())
    assert found.users["sends"].sum() == 0
    assert found.sends_by_day == {CONTROL: (0,) * 14, TREATMENT: (0,) * 14}


def test_rows_in_any_order_and_twice_give_the_same_answer():
    rng = np.random.default_rng(3)
    users = assigned(*[(f"u{i}", (CONTROL, TREATMENT)[i % 2]) for i in range(40)])
    s = sends(*[(f"s{i}", f"u{i % 40}", (CONTROL, TREATMENT)[i % 2], float(rng.uniform(-1, 15))) for i in range(200)])
    kinds = rng.choice(["open", "click"], 600)
    e = engagements(*[(f"s{rng.integers(0, 220)}", k, float(rng.uniform(-1, 18))) for k in kinds])
    once = _count(a=users, s=s, e=e)
    shuffled = _count(
        a=users.sample(frac=1, random_state=1),
        s=s.sample(frac=1, random_state=2),
        e=pd.concat([e, e]).sample(frac=1, random_state=3),
    )
    pd.testing.assert_frame_equal(once.users, shuffled.users)
    assert once.users["clicked"].sum() > 5


def test_history_takes_sends_of_any_programme():
    past = Window.history(settings(), at(0))
    s = sends(("s1", "c1", "sql_v5.18", -10.0))
    found = count_outcomes(USERS, s, engagements(("s1", "click", -9.0)), None, past, settings(), any_arm=True)
    assert _user(found, "c1")["clicks"] == 1
    assert found.crossovers == 0


def test_a_missing_column_is_named():
    with pytest.raises(ContractError, match=r"engagements: column\(s\) \['kind'\] missing"):
        count_outcomes(USERS, SENDS, engagements().drop(columns="kind"), None, window(), settings())


def test_an_open_and_a_click_of_one_send_are_two_engagements():
    found = _count(e=engagements(("s1", "open", 0.35), ("s1", "click", 0.4)))
    c1 = _user(found, "c1")
    assert (c1["opens"], c1["clicks"], found.engagements[COUNTED], found.engagements["repeated"]) == (1, 1, 2, 0)
