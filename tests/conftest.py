"""Loads the fixtures that every part of the tests may use."""

pytest_plugins = [
    "tests.fixtures.bigquery",
    "tests.fixtures.gcs",
    "tests.fixtures.installation",
    "tests.fixtures.warehouse",
]
