"""The week's e-mails by hand: which sends are the week's, and that late engagements favour no side."""

import pandas as pd
import pytest

from gnn_core.monitoring.mail_rates import mail_week

AS_OF = pd.Timestamp("2026-03-16", tz="UTC")
END = AS_OF - pd.Timedelta(days=2)


def _sends(*rows):
    frame = pd.DataFrame(rows, columns=["tracking_id", "user_id", "days_before_end"])
    return frame.assign(arm="a", run_id=None, sent_ts=END - pd.to_timedelta(frame["days_before_end"], unit="D"))


def _engaged(sends, *rows):
    at = sends.set_index("tracking_id")["sent_ts"]
    return pd.DataFrame(
        [{"tracking_id": t, "kind": kind, "engaged_ts": at.get(t, END) + pd.Timedelta(hours=h)} for t, kind, h in rows],
        columns=["tracking_id", "kind", "engaged_ts"],
    )  # fmt: skip


def _orders(sends, *rows):
    at = sends.set_index("tracking_id")["sent_ts"]
    return pd.DataFrame(
        [{"user_id": u, "event_type": kind, "event_ts": at[t] + pd.Timedelta(hours=h)} for u, t, kind, h in rows],
        columns=["user_id", "event_type", "event_ts"],
    )  # fmt: skip


def _week(sends, engaged=None, events=None, weeks=2):
    return mail_week(
        sends, _engaged(sends) if engaged is None else engaged, _orders(sends) if events is None else events, AS_OF,
        settle_days=2, reference_weeks=weeks, confidence=0.95,
    )  # fmt: skip


SENDS = _sends(
    ("too new", "a", -1), ("t1", "a", 1), ("t2", "b", 6.9), ("t3", "a", 7.1), ("t4", "b", 13), ("t5", "b", 20),
    ("too old", "a", 21.1),
)  # fmt: skip


def test_the_settled_week_and_the_weeks_before_it():
    found = _week(SENDS)
    assert (found.current.sends, found.reference.sends, found.weeks) == (2, 3, 2)
    assert (found.current.mailed, found.reference.mailed) == (2, 3)


def test_distinct_counts_within_the_days_that_every_send_is_given():
    engaged = _engaged(
        SENDS, ("t1", "click", 1), ("t1", "click", 2), ("t1", "open", 1), ("t2", "open", 47), ("t3", "click", 49),
        ("t4", "click", 3), ("t5", "click", -1), ("lost", "click", 1),
    )  # fmt: skip
    found = _week(SENDS, engaged)
    assert (found.current.clicks, found.current.opens) == (1, 2)
    # t3's click came after its two days, t5's before its send: neither counts.
    assert (found.reference.clicks, found.reference.opens) == (1, 1)
    assert found.current.ctr == 0.5
    assert found.ctr.estimate == pytest.approx(0.5 / (1 / 3) - 1)


def test_buyers_are_users_who_order_soon_after_a_send_of_that_week():
    events = _orders(
        SENDS, ("a", "t1", "order", 5), ("a", "t1", "order", 6), ("b", "t2", "view", 1), ("b", "t4", "order", 1),
        ("b", "t5", "order", 50),
    )  # fmt: skip
    found = _week(SENDS, events=events)
    assert (found.current.buyers, found.reference.buyers) == (1, 1)
    assert found.current.conversion == 0.5


def test_a_store_without_e_mails_has_rates_of_nothing():
    found = _week(_sends()[:0].assign(sent_ts=pd.Series([], dtype="datetime64[ns, UTC]")))
    assert (found.current.ctr, found.reference.conversion, found.ctr.estimate) == (None, None, None)


def test_a_send_that_is_listed_twice_counts_once():
    assert _week(pd.concat([SENDS, SENDS])).current.sends == 2
