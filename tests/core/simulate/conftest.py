"""Simulated stores that several tests read. Not to be changed by any."""

import pytest

from gnn_core.simulate import RawStore, World, simulate


@pytest.fixture(scope="package")
def tiny() -> RawStore:
    """The smallest preset."""
    return simulate("tiny", seed=5)


@pytest.fixture(scope="package")
def small() -> RawStore:
    """The demo's preset."""
    return simulate("small", seed=5)


@pytest.fixture(scope="package")
def null_store() -> RawStore:
    """A world in which the cascade is right."""
    return simulate("trial", seed=5, world=World.planted_null())


@pytest.fixture(scope="package")
def structured_store() -> RawStore:
    """A world with structure that the cascade can not see."""
    return simulate("trial", seed=5, world=World.planted_structure(0.15))
