"""What each event did to the score, as the timeline of a lead tells it."""

from datetime import datetime, timedelta
from typing import Any

from leads.events import NewEvent, record_events
from leads.models import Lead
from leads.pipeline import Reason, ReasonCode, run_pipeline
from leads.timeline import list_timeline
from tests.builders import make_lead


def happen(lead: Lead, at: datetime, *events: tuple[str, dict[str, Any]]) -> None:
    """Events that come in together, a second apart."""
    new = [
        NewEvent(type_, at - timedelta(seconds=len(events) - place), lead_id=lead.pk, properties=properties)
        for place, (type_, properties) in enumerate(events)
    ]
    record_events(events=new, now=at)
    run_pipeline(lead_ids=[lead.pk], reason=Reason(ReasonCode.EVENT), now=at)


def told(lead: Lead) -> dict[str, object]:
    """The points by what was done."""
    return {str(entry.title): entry.points for entry in list_timeline(lead_id=lead.pk).entries}


def test_events_that_came_in_together_each_show_their_own_points(in_tenant: object, now: datetime) -> None:
    lead = make_lead()
    happen(lead, now, ("form_submitted", {"kind": "demo"}), ("webinar_attended", {}), ("email_opened", {}))
    found = told(lead)
    assert found["Asked for a demo"] == 30
    assert found["Attended a webinar"] == 20
    assert found["Opened an e-mail"] == 1


def test_of_events_beyond_the_cap_only_those_before_it_show_points(in_tenant: object, now: datetime) -> None:
    lead = make_lead()
    happen(lead, now, *[("webinar_attended", {"title": f"Talk {number}"}) for number in range(3)])
    points: dict[str, object] = {
        str(entry.detail): entry.points for entry in list_timeline(lead_id=lead.pk).entries
    }
    assert (points["Talk 0"], points["Talk 1"], points["Talk 2"]) == (20, 20, None)


def test_points_that_were_taken_show_although_the_score_is_floored(in_tenant: object, now: datetime) -> None:
    lead = make_lead()
    happen(lead, now, ("page_viewed", {}))
    happen(lead, now + timedelta(minutes=5), ("careers_viewed", {}))
    found = told(lead)
    assert (found["Viewed a page"], found["Viewed the careers page"]) == (1, -20)


def test_of_one_day_only_the_first_visit_shows_points(in_tenant: object, now: datetime) -> None:
    lead = make_lead()
    happen(lead, now, ("page_viewed", {"path": "/a"}), ("page_viewed", {"path": "/b"}))
    points: dict[str, object] = {
        str(entry.detail): entry.points for entry in list_timeline(lead_id=lead.pk).entries
    }
    assert (points["/a"], points["/b"]) == (1, None)
