"""Texts that a customer reads."""

import pytest

from gnn_core.scoring.reasons import fits_reasons
from tests.core.builders import make_snapshot


@pytest.mark.parametrize(
    ("vehicle", "text"),
    [
        ("1969|chevrolet|camaro", "Fits your 1969 Chevrolet Camaro"),
        ("1999|ford|f-150", "Fits your 1999 Ford F-150"),
        ("1987|gmc|c1500 pickup", "Fits your 1987 GMC C1500 Pickup"),
        ("2012|kia|soul", "Fits your 2012 Kia Soul"),
        ("1955|mercedes-benz|300 sl", "Fits your 1955 Mercedes-Benz 300 SL"),
    ],
)
def test_fits_reason(vehicle, text):
    assert fits_reasons(make_snapshot(owns={}, fits={"A": [vehicle]})).tolist() == [text]
