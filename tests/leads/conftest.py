"""Fixtures of the hub's tests."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def acts_alone(settings: Any) -> Iterator[None]:
    """Acts without the steps that follow them, so that a test sees what the act itself has done."""
    from leads.pipeline import pipeline_steps

    settings.LEAD_PIPELINE = []
    pipeline_steps.cache_clear()
    yield
    pipeline_steps.cache_clear()
