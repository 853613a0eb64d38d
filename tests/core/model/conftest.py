"""The model that most tests of this folder only read."""

import pytest

from gnn_core.model.recommender import GraphRecommender
from tests.core.model.fits import fitted


@pytest.fixture(scope="package")
def trained() -> GraphRecommender:
    """Trained on `fits.WORLD` with the small settings. Not to be changed; whoever scores prepares an audience first."""
    return fitted()
