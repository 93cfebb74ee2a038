"""The steps of routing alone, so that a test says itself how a lead stands."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _routing_alone(settings: Any) -> Iterator[None]:
    from leads.pipeline import pipeline_steps

    settings.LEAD_PIPELINE = ["routing.steps.assign", "routing.steps.time"]
    pipeline_steps.cache_clear()
    yield
    pipeline_steps.cache_clear()
