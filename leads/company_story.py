"""What happened lately to the leads of a company: moves, attempts, events and notes, newest first, each with its lead."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from leads.models import Lead, LeadState
from leads.timeline import PAGE_SIZE, TimelineEntry, list_timeline

# A story is read of those leads alone to whom something happened last.
MOST_LEADS: Final = 8


@dataclass(frozen=True)
class CompanyEntry:
    """One thing that happened, and to whom."""

    lead: Lead
    entry: TimelineEntry


def list_company_story(*, company_id: int) -> list[CompanyEntry]:
    """The newest things that happened to the leads to whom something happened last."""
    entries: list[CompanyEntry] = []
    for lead in _latest_leads(company_id):
        page = list_timeline(lead_id=lead.pk, limit=PAGE_SIZE // 2)
        # What explains itself on the lead's page has no panel here.
        entries += [CompanyEntry(lead, replace(entry, why="")) for entry in page.entries]
    entries.sort(key=_when, reverse=True)
    return entries[:PAGE_SIZE]


def _when(each: CompanyEntry) -> datetime:
    return each.entry.at


def _latest_leads(company_id: int) -> Sequence[Lead]:
    latest = (
        LeadState.objects.filter(lead__company=company_id)
        .select_related("lead")
        .order_by("-stage_at", "-lead_id")[:MOST_LEADS]
    )
    return [state.lead for state in latest]
