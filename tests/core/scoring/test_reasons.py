"""Texts that a customer reads."""

import numpy as np
import pytest

from gnn_core.explanation.choose import BOUGHT, FITS, OTHERS, OWN, OWNERS, TAKEN, Reasons
from gnn_core.scoring.reasons import reason_texts, vehicle_names
from gnn_core.snapshot import CART, ORDER, VIEW
from tests.core.builders import make_snapshot


@pytest.mark.parametrize(
    ("vehicle", "text"),
    [
        ("1969|chevrolet|camaro", "Fits your 1969 Chevrolet Camaro"),
        ("1999|ford|f-150", "Fits your 1999 Ford F-150"),
        ("1987|gmc|c1500 pickup", "Fits your 1987 GMC C1500 Pickup"),
        ("2012|kia|soul", "Fits your 2012 Kia Soul"),
        ("1989|lincoln|town car", "Fits your 1989 Lincoln Town Car"),
        ("1955|mercedes-benz|300 sl", "Fits your 1955 Mercedes-Benz 300 SL"),
    ],
)
def test_fits_reason(vehicle, text):
    assert [f"Fits your {v}" for v in vehicle_names(make_snapshot(owns={}, fits={"A": [vehicle]}))] == [text]


@pytest.mark.parametrize(
    ("path", "event", "via", "text"),
    [
        (FITS, -1, -1, "Fits your 1969 Chevrolet Camaro"),
        (OWN, ORDER, -1, "Fits your 1969 Chevrolet Camaro; you have ordered it before"),
        (
            BOUGHT,
            CART,
            1,
            "Fits your 1969 Chevrolet Camaro; often bought with the intake manifold you put in your cart",
        ),
        # Front and rear: the product itself must not seem to be what was ordered.
        (BOUGHT, ORDER, 2, "Fits your 1969 Chevrolet Camaro; often bought with the other carburetor you ordered"),
        (
            TAKEN,
            VIEW,
            3,
            "Fits your 1969 Chevrolet Camaro; also of interest to people interested in the part you looked at",
        ),
        (OWNERS, -1, -1, "Fits your 1969 Chevrolet Camaro; popular with Chevrolet Camaro owners"),
        (OTHERS, -1, -1, "Fits your 1969 Chevrolet Camaro; popular with owners of other vehicles it fits"),
    ],
)
def test_the_words_of_every_path(path, event, via, text):
    types = {"B": "Intake Manifold", "C": "Carburetor", "D": "UNKNOWN"}
    train = make_snapshot(
        owns={}, fits={p: ["1969|chevrolet|camaro"] for p in "ABCD"},
        products={p: {"part_type": t} for p, t in types.items()},
    )  # fmt: skip
    cell = np.zeros((1, 2), dtype=np.int64)
    empty = np.array([[0, -1]])
    reasons = Reasons(*(np.where(empty < 0, -1, value) for value in (path, event, via)))
    texts, text_AK = reason_texts(reasons, empty, cell, cell > 0, train)
    assert [texts[i] for i in text_AK[0] if i >= 0] == [text]
    assert text_AK[0, 1] == -1
    universal, _ = reason_texts(reasons, empty, cell, cell == 0, train)
    assert universal[0].startswith("Universal part, made for any vehicle")
