"""Loads the fixtures that every part of the tests may use, and keeps the collector of garbage off what is imported.

Torch and Dagster bring a million objects that live as long as the process: going over them again and again, while they
are imported and in every test after that, took a tenth of the time.
"""

import gc

import pytest

gc.disable()

pytest_plugins = [
    "tests.fixtures.bigquery",
    "tests.fixtures.gcs",
    "tests.fixtures.installation",
    "tests.fixtures.ten_users",
    "tests.fixtures.warehouse",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """From here on there is garbage to collect, but not among what was imported."""
    gc.freeze()
    gc.enable()
