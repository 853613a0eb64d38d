"""Which products may be recommended: one row a rule, both sides of each edge."""

import numpy as np
import pandas as pd
import pytest

from gnn_core.config import EligibilitySettings
from gnn_core.errors import DataError
from gnn_core.scoring.eligibility import REASONS, eligible_mask, eligible_products

SETTINGS = EligibilitySettings(
    min_price_usd=50.0,
    service_prefixes=("EXT-", "GIFT-"),
    commodity_words=("gasket", "key", "bolt", "cap"),
    commodity_exceptions=("Engine Bolt Kit", "Distributor Cap"),
    unknown_part_type_min_price_usd=3000.0,
    variant_suffixes="BRGP",
    min_products_per_vehicle=4,
    require_email_consent=False,
)
GOOD = {
    "product_id": "A1",
    "part_type": "Carburetor",
    "price": 99.0,
    "is_refurbished": False,
    "image_url": "https://cdn/a.jpg",
}


def _judge(**changes):
    return eligible_products(pd.DataFrame([GOOD | changes]), SETTINGS).iloc[0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, None, id="good"),
        pytest.param({"price": 50.0}, None, id="price at the floor"),
        pytest.param({"price": 49.99}, "price below the floor", id="a cent below"),
        pytest.param({"price": None}, "no price", id="null price"),
        pytest.param({"price": np.inf}, "no price", id="infinite price"),
        pytest.param({"is_refurbished": True}, "refurbished", id="refurbished"),
        pytest.param({"product_id": "EXT-1"}, "service SKU", id="service prefix"),
        pytest.param({"product_id": "ext-1"}, "service SKU", id="service prefix in lower case"),
        pytest.param({"product_id": "NEXT-1"}, None, id="prefix only at the start"),
        pytest.param({"part_type": "Head Gasket"}, "commodity part type", id="commodity word"),
        pytest.param({"part_type": "HEAD GASKETS"}, "commodity part type", id="plural, upper case"),
        pytest.param({"part_type": "Keyless Entry"}, None, id="key inside another word"),
        pytest.param({"part_type": "Monkey Wrench"}, None, id="key at the end of another word"),
        pytest.param({"part_type": "Bolt-On Kit"}, "commodity part type", id="hyphen ends a word"),
        pytest.param({"part_type": "Capacitor"}, None, id="cap at the start of another word"),
        pytest.param({"part_type": "engine bolt kit"}, None, id="exception in any case"),
        pytest.param({"part_type": "Big Engine Bolt Kit"}, "commodity part type", id="exception is the whole type"),
        pytest.param({"part_type": "UNKNOWN"}, "unknown part type below its price floor", id="unknown, cheap"),
        pytest.param({"part_type": "unknown", "price": 3000.0}, None, id="unknown at its own floor"),
        pytest.param({"image_url": None}, "no https image", id="no image"),
        pytest.param({"image_url": "http://cdn/a.jpg"}, "no https image", id="http image"),
        pytest.param({"price": 1.0, "image_url": None}, "price below the floor", id="first rule is the reason"),
    ],
)
def test_rule(changes, reason):
    judged = _judge(**changes)
    assert judged["reason"] == reason
    assert judged["eligible"] == (reason is None)
    assert reason is None or reason in REASONS


def test_order_and_index_are_the_frames():
    frame = pd.DataFrame([GOOD | {"price": p} for p in (10.0, 60.0, 20.0)], index=[7, 3, 5])
    judged = eligible_products(frame, SETTINGS)
    assert list(judged.index) == [7, 3, 5]
    assert list(judged["eligible"]) == [False, True, False]


def test_a_store_without_an_eligible_product_is_an_error_that_counts_reasons():
    frame = pd.DataFrame([GOOD | {"price": 1.0}, GOOD | {"image_url": None}])
    with pytest.raises(DataError, match=r"none of 2 products.*price below the floor.*no https image"):
        eligible_mask(frame, SETTINGS)
