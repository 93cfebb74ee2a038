"""Where the real data sets are; without LEADSYS_REAL_DATA these tests are skipped, saying so."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def real_data(request: pytest.FixtureRequest) -> Path:
    """The folder of the real data sets."""
    folder = os.environ.get("LEADSYS_REAL_DATA", "")
    if not folder:
        pytest.skip("LEADSYS_REAL_DATA is not set: it names the folder with the real data sets.")
    return Path(folder)
