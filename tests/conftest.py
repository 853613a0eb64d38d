"""Loads the fixtures that every part of the tests may use, and keeps the collector of garbage off what is imported.

What Torch and Dagster bring lives as long as the process; the collector would go over it again and again, while it is
imported and in every test after that.
"""

import gc

import pytest

gc.disable()

pytest_plugins = [
    "tests.fixtures.bigquery",
    "tests.fixtures.gcs",
    "tests.fixtures.installation",
    "tests.fixtures.modules",
    "tests.fixtures.ten_users",
    "tests.fixtures.warehouse",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """From here on there is garbage to collect, but not among what was imported."""
    gc.freeze()
    gc.enable()
