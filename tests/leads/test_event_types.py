"""Types of events in words: in sentences, and as the condition builder offers them."""

import pytest
from django.utils import translation

from core.models import Notification
from core.notifications import text_of
from leads.conditions.builder import builder_vocabulary
from leads.conditions.describe import describe_condition
from leads.conditions.event_types import event_words
from leads.conditions.language import parse_condition
from tests.builders import make_event, make_lead


def test_the_builder_offers_described_types_and_those_that_came_in(in_tenant: object) -> None:
    make_event(lead=make_lead(), type="plant_visited")
    types = {each["value"]: each["label"] for each in builder_vocabulary()["event_types"]}
    assert types["pricing_viewed"] == "Viewed the pricing page"
    assert types["plant_visited"] == "Plant visited"


@pytest.mark.parametrize(
    ("language", "days", "words"),
    [
        ("en", 1, "number of “Viewed a page” events in the last day is 2 or more"),
        ("en", 7, "number of “Viewed a page” events in the last 7 days is 2 or more"),
        ("pt-br", 1, "no último dia"),
        ("pt-br", 7, "nos últimos 7 dias"),
    ],
)
def test_a_count_of_events_reads_right_for_one_day_and_for_several(
    in_tenant: object, language: str, days: int, words: str
) -> None:
    asked = {"fact": "event_count", "event": "page_viewed", "days": days, "op": "gte", "value": 2}
    with translation.override(language):
        assert words in describe_condition(parse_condition(asked))


def test_what_somebody_asked_for_is_said_and_what_nobody_described_is_spelt_out() -> None:
    assert event_words("form_submitted", {"kind": "pricing"}) == "Asked for pricing"
    assert event_words("form_submitted", {"kind": "content"}) == "Submitted a form"
    assert event_words("demo_call_done") == "Demo call done"


def test_a_notification_gives_the_reason_in_the_language_of_who_reads_it(in_tenant: object) -> None:
    reason = {"en": "No budget", "pt-br": "Sem orçamento"}
    told = Notification(kind="lead.rejected", values={"lead": "Ana Reis", "reason": reason})
    assert text_of(told) == "Sales rejected Ana Reis: No budget"
    with translation.override("pt-br"):
        assert text_of(told).endswith("Sem orçamento")
    told.values = {"lead": "Ana Reis", "reason": "Sem orçamento"}
    assert text_of(told) == "Sales rejected Ana Reis: Sem orçamento"
