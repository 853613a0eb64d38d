"""The embedded warehouse's DuckDB: a window over few rows, on several threads, again and again.

DuckDB up to 1.5.5 ended such a query in an internal error, at random, once in some hundred times
(https://github.com/duckdb/duckdb/issues/22352); a weekly run asks dozens of them.
"""

import duckdb
import pytest

pytestmark = pytest.mark.slow

QUERY = """
WITH few AS (SELECT i FROM range(1) t(i)),
     none AS (SELECT i FROM few WHERE i >= 9),
     chosen AS (SELECT i FROM none UNION ALL SELECT i FROM few WHERE NOT EXISTS (SELECT 1 FROM none))
SELECT i, count(*) OVER () AS n FROM chosen ORDER BY i DESC LIMIT 5
"""
TIMES = 10_000


def test_windows_over_few_rows_end_in_their_rows():
    with duckdb.connect(":memory:", config={"threads": 4}) as connection:
        for _ in range(TIMES):
            assert connection.execute(QUERY).fetchall() == [(0, 1)]
