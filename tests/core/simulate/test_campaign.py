"""The played e-mail system has the planted lift, whatever it is, and the warts that the readout must see through."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from gnn_core.errors import ConfigError, ContractError
from gnn_core.experiment.assignment import CONTROL, TREATMENT
from gnn_core.experiment.engagement import count_outcomes
from gnn_core.experiment.intervals import information_of, mixture_for
from gnn_core.experiment.readout import read_experiment
from gnn_core.simulate.campaign import ClickModel, send_out
from tests.core.experiment.experiment_world import BASE, assigned, window

START = dt.date(2026, 3, 2)


def _lists(n=4_000, treated_types=("hood", "wheel")):
    """Arms get different part types, so that only the planted lift may separate them."""
    rng = np.random.default_rng(1)
    rows = []
    for i in range(n):
        arm = (CONTROL, TREATMENT)[i % 2]
        types = treated_types if arm == TREATMENT else ("header", "intake", "carburetor")
        rows += [
            (f"u{i:05}", slot, f"P{rng.integers(99)}", types[slot % len(types)], 99.0, arm, arm == TREATMENT)
            for slot in range(1, 5 if i % 5 else 4)
        ]
    return pd.DataFrame(rows, columns=["user_id", "slot", "product_id", "part_type", "price", "arm", "treated"])


LISTS = _lists()


def _contract(campaign):
    """Raw tables → what staging makes of them, as far as the readout needs it."""
    sends = campaign.sends.to_pandas().set_axis(["tracking_id", "user_id", "arm", "sent_ts"], axis=1)
    engaged = campaign.engagements.to_pandas().set_axis(["tracking_id", "kind", "engaged_ts"], axis=1)
    engaged["kind"] = engaged["kind"].map({"VIEWED": "open", "CLICKED": "click"})
    return sends, engaged


def _read(lift, seed=3, **model):
    campaign = send_out(
        LISTS, start=START, weeks=2, model=ClickModel(lift=lift, **{"click_rate": 0.05, **model}), seed=seed, name="c"
    )
    users = LISTS.drop_duplicates("user_id")
    arms = assigned(*zip(users["user_id"], users["arm"], strict=True))
    outcomes = count_outcomes(arms, *_contract(campaign), None, window(), BASE)
    eta = mixture_for(information_of(0.1, 2_000, 2_000, 0.15), 0.95)
    return campaign, outcomes, read_experiment(outcomes, window(), BASE, eta=eta, purchases_known=False)


@pytest.mark.parametrize(
    ("lift", "verdict"), [(0.8, "pass"), (0.0, ("fail", "inconclusive")), (-0.5, "fail")], ids=["lift", "null", "harm"]
)
def test_the_planted_lift_comes_out_whatever_the_lists_are(lift, verdict):
    found = [_read(lift, seed) for seed in range(4)]
    effects = [r.verdict.lift if r.verdict.lift is not None else r.metrics[0].lift.estimate for _, _, r in found]
    assert np.mean(effects) == pytest.approx(lift, abs=0.12)
    assert all(r.verdict.verdict in verdict for _, _, r in found)


def test_the_readout_counts_exactly_the_clickers_that_were_drawn():
    campaign, outcomes, _ = _read(0.3)
    counted = outcomes.users[outcomes.users["clicked"]].groupby("arm").size().to_dict()
    for arm in (CONTROL, TREATMENT):
        assert campaign.clickers[arm] - 3 <= counted[arm] <= campaign.clickers[arm]  # a few settle too late


def test_every_wart_is_there_and_counted():
    _, outcomes, _ = _read(0.0)
    for reason in ("repeated", "unknown tracking id", "before its send"):
        assert outcomes.engagements[reason] > 0, reason
    assert outcomes.sends["user without assignment"] > 0
    assert outcomes.clicks_without_open > 0


def test_the_first_slot_gets_most_clicks():
    campaign, _, _ = _read(0.0, click_rate=0.3)
    assert list(campaign.clicks_by_slot) == sorted(campaign.clicks_by_slot, reverse=True)


def test_the_same_seed_gives_the_same_rows_and_another_name_other_ids():
    one, two = (send_out(LISTS, start=START, weeks=1, model=ClickModel(), seed=5, name="c") for _ in range(2))
    assert one.sends.equals(two.sends)
    assert one.engagements.equals(two.engagements)
    assert one.events.equals(two.events)
    other = send_out(LISTS, start=START, weeks=1, model=ClickModel(), seed=5, name="d")
    ids = (set(t.sends["treatment_tracking_id"].to_pylist()) for t in (one, other))
    assert set.isdisjoint(*ids)


def test_fewer_orders_can_be_planted():
    model = ClickModel(order_rate=0.1, order_lift=-0.5)
    buyers = send_out(LISTS, start=START, weeks=2, model=model, seed=5, name="c").events["user_id"].to_pylist()
    treated = set(LISTS.loc[LISTS["treated"], "user_id"])
    share = sum(user in treated for user in buyers) / len(buyers)
    assert share == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize("wrong", [{"lift": -1.1}, {"click_rate": 0.4, "lift": 0.5}, {"order_rate": -0.1}])
def test_impossible_customers_are_refused(wrong):
    with pytest.raises(ConfigError, match="click model"):
        ClickModel(**wrong)


def test_lists_that_make_no_sense_are_refused():
    with pytest.raises(ContractError, match="price"):
        send_out(LISTS.drop(columns="price"), start=START, weeks=1, model=ClickModel(), seed=1, name="c")
    both = LISTS.copy()
    both.loc[0, "arm"] = TREATMENT
    with pytest.raises(ContractError, match="two arms"):
        send_out(both, start=START, weeks=1, model=ClickModel(), seed=1, name="c")
