"""What is said to be true is what drives the interactions."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gnn_core.errors import DataError
from gnn_core.simulate.choice import SHIFT, Demand, Draws, draw
from gnn_core.simulate.ledger import ORDER
from gnn_core.simulate.truth import NEVER


def test_choice_probabilities_are_a_distribution_over_what_fits(tiny):
    truth = tiny.truth
    chance = truth.choice_probabilities(truth.vehicle_ids[:40])
    assert chance.sum(axis=1) == pytest.approx(np.ones(40))
    fits = truth.shop.catalogue.fits_VP[:40].toarray() > 0
    assert (chance[~fits] == 0).all()
    on_sale = truth.shop.catalogue.launch_P < truth.ledger.ts_E.max() - 40 * 86_400_000_000
    assert (chance[:, on_sale][fits[:, on_sale]] > 0).all()


def test_users_choose_what_is_likely(small):
    """Organic choices of one-vehicle users are likelier than fitting products at large."""
    truth = small.truth
    people = truth.shop.people
    start = np.datetime64("2026-01-31", "us").astype(int)
    recent = truth.ledger.take((truth.ledger.ts_E >= start) & ~truth.ledger.mail_E)
    recent = recent.take(people.vehicles_U3[recent.person_E, 1] < 0)
    vehicle = people.vehicles_U3[recent.person_E, 0]
    used, row = np.unique(vehicle, return_inverse=True)
    chance = truth.choice_probabilities(truth.vehicle_ids[used])
    fits = chance > 0
    chosen = fits[row, recent.product_E]
    assert 0.75 < chosen.mean() < 0.97  # the others are for another vehicle, or universal
    expected_if_uniform = (chance.sum(axis=1) / fits.sum(axis=1))[row][chosen].mean()
    assert chance[row, recent.product_E][chosen].mean() > 1.4 * expected_if_uniform


def test_parts_of_a_kit_are_bought_together(small):
    truth = small.truth
    orders = truth.ledger.take((truth.ledger.kind_E == ORDER) & (truth.ledger.order_E >= 0))
    rows = pd.DataFrame({"order": orders.order_E, "kit": truth.shop.catalogue.kit_P[orders.product_E]})
    sizes = rows.groupby("order")["kit"].transform("size")
    together = rows[sizes > 1].groupby("order")["kit"].agg(lambda k: k.duplicated().any()).mean()
    shares = rows["kit"].value_counts(normalize=True)
    assert (sizes > 1).sum() > 200
    assert together > 3 * float((shares**2).sum())


def test_platforms_cross_makes_and_show_in_orders(small):
    """Vehicles of one platform want alike, whatever their make: more than vehicles of one make on other platforms."""
    truth = small.truth
    garage = truth.shop.garage
    makes_of_platform = pd.Series(garage.make_V).groupby(garage.platform_V).nunique()
    assert (makes_of_platform >= 2).mean() > 0.6
    utility = truth.shop.demand.utility_VP
    centred = utility.copy()
    centred.data = utility.data - SHIFT - truth.shop.demand.appeal_P[utility.indices]
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, len(garage.vehicle_ids), (2, 4000))

    def agreement(pairs: np.ndarray) -> float:
        """Correlation of what two vehicles want, over what fits both."""
        both = utility[a[pairs]].multiply(utility[b[pairs]]).astype(bool).tocoo()
        x = np.asarray(centred[a[pairs]][both.row, both.col]).ravel()
        y = np.asarray(centred[b[pairs]][both.row, both.col]).ravel()
        return float(np.corrcoef(x, y)[0, 1])

    other_make = garage.make_V[a] != garage.make_V[b]
    same_platform = garage.platform_V[a] == garage.platform_V[b]
    across = agreement(np.flatnonzero(other_make & same_platform))
    unrelated = agreement(np.flatnonzero(other_make & ~same_platform))
    assert across > 0.5
    assert across > unrelated + 0.3


def test_oracle_knows_taste_and_never_offers_what_does_not_fit(tiny):
    truth = tiny.truth
    scores = truth.oracle_scores(truth.user_ids[:50], truth.product_ids)
    fits = (truth.shop.people.owns_UV(len(truth.vehicle_ids))[:50] @ truth.shop.catalogue.fits_VP).toarray() > 0
    assert (scores[~fits] == NEVER).all()
    assert np.isfinite(scores).all()
    shuffled = truth.product_ids[::-1]
    assert np.array_equal(truth.oracle_scores(truth.user_ids[:50], shuffled), scores[:, ::-1])
    stranger = truth.oracle_scores(truth.user_ids[:2], ["NO-SUCH-1", truth.product_ids[3]])
    assert (stranger[:, 0] == NEVER).all()


def test_oracle_adds_the_favourite_kit_and_the_feeling_for_price(tiny):
    truth = tiny.truth
    people, demand = truth.shop.people, truth.shop.demand
    only = np.flatnonzero(people.vehicles_U3[:, 1] < 0)[:30]
    scores = truth.oracle_scores(truth.user_ids[only], truth.product_ids)
    plain = np.log(truth.choice_probabilities(truth.vehicle_ids[people.vehicles_U3[only, 0]]).clip(1e-300))
    may = scores > NEVER
    for row, user in enumerate(only):
        own = truth.shop.world.taste * (demand.kit_P == people.favourite_U[user])
        own = own + people.thrift_U[user] * demand.log_price_P
        rest = (scores[row] - plain[row] - own)[may[row]]
        assert np.ptp(rest) < 1e-4


def test_unknown_ids_are_named(tiny):
    with pytest.raises(DataError, match=r"1 user\(s\) are not of this simulated store, such as \['nobody'\]"):
        tiny.truth.oracle_scores(["nobody"], tiny.truth.product_ids)
    with pytest.raises(DataError, match="vehicle"):
        tiny.truth.choice_probabilities(["1900|nothing|at all"])


def demand_of(utility: np.ndarray) -> Demand:
    n = utility.shape[1]
    return Demand(
        sparse.csr_matrix(np.where(np.isfinite(utility), utility + SHIFT, 0).astype(np.float32)),
        np.zeros((28, n), dtype=np.float32), np.zeros(n), np.zeros((1, n), np.float32), np.zeros(n), np.arange(n) % 2,
    )  # fmt: skip


def test_draws_follow_the_softmax():
    demand = demand_of(np.array([[0.0, np.log(3.0), -np.inf], [-np.inf, -np.inf, 0.0]]))
    n = 20_000
    row = np.repeat([0, 1], n // 2)
    nobody = np.full(n, -1)
    draws = Draws(row, np.zeros(n, dtype=int), nobody, np.zeros(n), nobody)
    chosen = draw(np.random.default_rng(1), demand.utility_VP, draws, demand, taste=0.0)
    assert (chosen[row == 1] == 2).all()
    assert np.bincount(chosen[row == 0], minlength=3) / (n // 2) == pytest.approx([0.25, 0.75, 0.0], abs=0.02)


def test_draws_know_kits_taste_launches_and_empty_rows():
    demand = demand_of(np.array([[0.0, 0.0, -np.inf], [-np.inf, -np.inf, -np.inf]]))
    demand.calendar_MP[5, 0] = -np.inf  # product 0 is not on sale in month 5
    n = 4_000
    zero = np.zeros(n)

    def share_of_0(row: int = 0, month: int = 0, favourite: int = -1, kit: int = -1, bonus: float = 0.0) -> np.ndarray:
        draws = Draws(np.full(n, row), np.full(n, month), np.full(n, favourite), zero, np.full(n, kit), bonus)
        return draw(np.random.default_rng(2), demand.utility_VP, draws, demand, taste=np.log(3.0))

    assert (share_of_0(row=1) == -1).all()
    assert (share_of_0(month=5) == 1).all()
    assert (share_of_0(favourite=0) == 0).mean() == pytest.approx(0.75, abs=0.03)
    assert (share_of_0(kit=1, bonus=np.log(9.0)) == 1).mean() == pytest.approx(0.9, abs=0.03)
