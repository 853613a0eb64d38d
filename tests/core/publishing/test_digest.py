"""The digest names what is recommended: not the order of rows, not the run, not how Arrow holds the values."""

import numpy as np
import pyarrow as pa
import pytest

from gnn_core.errors import ContractError
from gnn_core.publishing.digest import content_digest, table_digest
from gnn_core.publishing.schema import RECOMMENDATIONS
from tests.core.publishing.world import as_table, change, good_rows, load_directly

BASE = content_digest(as_table(good_rows()))


def test_digest_is_frozen():
    """Ledgers hold digests for years: another value for the same rows would make every kept version unusable."""
    assert BASE == "c2ab2e555ae35202ac9a556c275c89b6369511d9626795bbb0b37fa4fae7975b"


def test_order_of_rows_and_columns_does_not_count():
    rows = as_table(good_rows())
    shuffled = rows.take(pa.array(np.random.default_rng(3).permutation(len(rows))))
    assert content_digest(shuffled) == BASE
    assert content_digest(shuffled.select(sorted(rows.column_names))) == BASE


def test_run_and_moment_do_not_count():
    assert content_digest(as_table(good_rows("another"))) == BASE
    assert content_digest(as_table(good_rows()).drop_columns(["run_id", "scored_at"])) == BASE


def test_chunks_and_representation_do_not_count():
    rows = as_table(good_rows())
    chunked = pa.concat_tables([rows.slice(5), rows.slice(0, 5)])
    assert content_digest(chunked) == BASE
    dictionary = rows.set_column(1, "user_id", rows["user_id"].dictionary_encode())
    assert content_digest(dictionary) == BASE


def test_round_trip_through_the_warehouse_does_not_count(served):
    assert table_digest(served, load_directly(served, "digest", good_rows())) == BASE


@pytest.mark.parametrize(
    "values",
    [
        {"product_id": "P11"},
        {"user_id": "u011"},
        {"slot": 2},
        {"price": np.nextafter(410.0, 411)},
        {"final_score": 0.9000001},
        {"gnn_score": None},
        {"sql_score": None},
        {"gnn_score": float("nan")},
        {"reason": ""},
        {"reason": None},
        {"source": "smoother"},
        {"pipeline_version": "v6.1"},
    ],
    ids=str,
)
def test_every_value_counts(values):
    assert content_digest(as_table(change("u01", 1, **values)(good_rows()))) != BASE


def test_all_columns_but_two_are_inside():
    rows = good_rows()
    other = {pa.string(): "changed", pa.int64(): 77, pa.float64(): 77.7}
    counted = [
        f.name
        for f in RECOMMENDATIONS
        if f.type in other and content_digest(as_table(change("u01", 1, **{f.name: other[f.type]})(rows))) != BASE
    ]
    assert counted == [n for n in RECOMMENDATIONS.names if n not in ("run_id", "scored_at")]


def test_zero_has_no_sign_and_values_do_not_run_together():
    plus, minus = ([r | {"sql_score": z} for r in good_rows()] for z in (0.0, -0.0))
    assert content_digest(as_table(plus)) == content_digest(as_table(minus))
    ab, ba = ({"reason": "ab", "part_type": "c"}, {"reason": "a", "part_type": "bc"})
    assert content_digest(as_table(change("u01", 1, **ab)(good_rows()))) != content_digest(
        as_table(change("u01", 1, **ba)(good_rows()))
    )


def test_repeated_rows_count_and_their_order_does_not():
    rows = good_rows()
    twice = [*rows, rows[0] | {"product_id": "P99"}, rows[0] | {"product_id": "P98", "gnn_score": None}]
    assert content_digest(as_table(twice)) == content_digest(as_table(twice[::-1]))
    assert content_digest(as_table([*rows, rows[0]])) != BASE


def test_empty_table_has_a_digest():
    assert content_digest(as_table([])) not in (BASE, "")


def test_missing_or_foreign_column_is_an_error():
    rows = as_table(good_rows())
    with pytest.raises(ContractError, match=r"\['price'\] missing"):
        content_digest(rows.drop_columns(["price"]))
    with pytest.raises(ContractError, match="column slot"):
        content_digest(rows.set_column(3, "slot", pa.array(["one"] * len(rows))))
