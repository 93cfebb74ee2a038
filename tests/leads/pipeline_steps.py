"""Steps that tests put into the pipeline beside the real ones."""

from typing import Any

from leads.models import LeadTag
from leads.pipeline import Batch


class Poison:
    """Writes a tag on every lead of the batch, then fails on the one whose e-mail begins with poison."""

    name = "poison"
    runs_on_history = True
    concerns: str | None = None

    def __init__(self) -> None:
        self.is_on = True
        self.calls = 0

    def plan(self, batch: Batch) -> None:
        """Nothing to plan."""

    def apply(self, batch: Batch, plan: Any) -> None:
        from leads.models import Lead

        self.calls += 1
        for lead_id in batch.lead_ids:
            LeadTag.objects.get_or_create(lead_id=lead_id, tag="seen")
        if self.is_on and Lead.objects.filter(pk__in=batch.lead_ids, email__startswith="poison").exists():
            raise ValueError("This lead cannot be digested.")


poison = Poison()
