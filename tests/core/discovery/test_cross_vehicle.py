"""Where the evidence of a recommendation comes from, by hand."""

import pandas as pd
import pytest

from gnn_core.discovery.cross_vehicle import NOBODY, OTHER_VEHICLES, OWN_MODEL, classify, discover
from gnn_core.errors import ContractError
from gnn_core.explanation.evidence import GraphEvidence
from tests.core.builders import make_snapshot
from tests.core.explanation.worlds import C69, NOVA, STORE
from tests.core.publishing.world import make_settings

ROWS = pd.DataFrame(
    [
        ("fay", C69, "HOOD", "Hood", "hybrid"),
        ("fay", C69, "WHEEL", "Wheel", "hybrid"),
        ("joe", C69, "WHEEL", "Wheel", "sql_v5.18"),
        ("fay", C69, "BARE", "Bumper", "hybrid"),
        ("dee", NOVA, "WHEEL", "Wheel", "hybrid"),
        ("dee", NOVA, "CARB", "Carburetor", "hybrid"),
    ],
    columns=["user_id", "vehicle_id", "product_id", "part_type", "source"],
)


def test_classes_and_counts_by_hand():
    train = make_snapshot(**STORE)
    evidence = GraphEvidence(train, make_settings().graph)
    want = [OWN_MODEL, OTHER_VEHICLES, OTHER_VEHICLES, NOBODY, OWN_MODEL, OTHER_VEHICLES]
    assert classify(ROWS, train, evidence).tolist() == want
    found = discover(ROWS, train, evidence)
    assert (found.rows, found.cross_vehicle_rows, found.share) == (6, 3, 0.5)
    counts = {(r["source"], r["evidence"]): (r["rows"], r["users"]) for r in found.as_json()["counts"]}
    assert counts == {
        ("hybrid", OWN_MODEL): (2, 2),
        ("hybrid", OTHER_VEHICLES): (2, 2),
        ("hybrid", NOBODY): (1, 1),
        ("sql_v5.18", OTHER_VEHICLES): (1, 1),
    }
    assert [(r["product_id"], r["rows"]) for r in found.as_json()["products"]] == [("WHEEL", 2), ("CARB", 1)]
    with pytest.raises(ContractError, match=r"recommendations.product_id"):
        classify(ROWS.assign(product_id="GHOST"), train, evidence)
