"""Nurturing's facts in conditions."""

from datetime import timedelta
from typing import Any

from leads.conditions.compile import compile_condition, compile_filter
from leads.conditions.language import parse_condition
from leads.conditions.logic import IsTrue, IsUnknown
from leads.models import Lead
from nurturing.models import Suppression
from nurturing.refusals import hash_email
from nurturing.services import enroll_lead
from tenancy.models import Role
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.nurturing.sequences import publish_sequence


def those(fact: str, op: str, *value: Any) -> set[int]:
    """The leads for whom a condition is true, asked both ways."""
    condition = parse_condition({"fact": fact, "op": op, **({"value": value[0]} if value else {})})
    by_filter = set(Lead.objects.filter(compile_filter(condition, now=NOW)).values_list("pk", flat=True))
    verdicts = Lead.objects.annotate(verdict=IsTrue(compile_condition(condition, now=NOW)))
    assert by_filter == set(verdicts.filter(verdict=True).values_list("pk", flat=True))
    return by_filter


def test_conditions_ask_in_which_sequence_a_lead_is(in_tenant: Any, pass_time: Any) -> None:
    by = make_member(role=Role.MARKETING)
    publish_sequence(key="short")
    inside, finished, outside = (make_lead(stage="nurture") for _ in range(3))
    enroll_lead(lead_id=finished.pk, sequence="short", by=by, now=NOW)
    pass_time(NOW)
    enroll_lead(lead_id=inside.pk, sequence="re_engagement", by=by, now=NOW)
    assert those("in_sequence", "is_true") == {inside.pk}
    assert those("in_sequence", "is_false") == {finished.pk, outside.pk}
    assert those("sequences", "has_any", ["re_engagement", "short"]) == {inside.pk}
    assert those("sequences_finished", "has_any", ["short"]) == {finished.pk}
    assert those("sequences", "has_none", ["re_engagement"]) == {finished.pk, outside.pk}
    assert those("enrolled_at", "is_unknown") == {outside.pk}


def test_conditions_ask_whether_an_address_gets_no_mail(in_tenant: Any) -> None:
    blocked, free, nameless = make_lead(email="a@b.test"), make_lead(), make_lead(email=None)
    Suppression.objects.create(email_hash=hash_email("a@b.test"), reason="refused", at=NOW)
    assert those("email_suppressed", "is_true") == {blocked.pk}
    assert those("email_suppressed", "is_false") == {free.pk}
    condition = parse_condition({"fact": "email_suppressed", "op": "is_true"})
    unknown = Lead.objects.annotate(unknown=IsUnknown(compile_condition(condition, now=NOW)))
    assert set(unknown.filter(unknown=True).values_list("pk", flat=True)) == {nameless.pk}


def test_conditions_ask_when_a_lead_was_last_written_to(in_tenant: Any, pass_time: Any) -> None:
    publish_sequence()
    written, other = make_lead(stage="nurture"), make_lead()
    by = make_member(role=Role.MARKETING)
    enroll_lead(lead_id=written.pk, sequence="trial", by=by, now=NOW - timedelta(days=3))
    pass_time(NOW - timedelta(days=3))
    assert those("last_message_at", "in_last_days", 7) == {written.pk}
    assert those("last_message_at", "in_last_days", 2) == set()
    assert those("last_message_at", "is_unknown") == {other.pk}
