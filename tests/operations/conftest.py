"""Folders that other users may enter, unlike pytest's own: as root PostgreSQL runs as a user of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder of the module's own."""
    folder = Path(tempfile.mkdtemp(prefix="leadsys-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
