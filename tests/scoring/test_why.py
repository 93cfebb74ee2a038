"""Why a lead has its score and grade."""

from datetime import timedelta
from typing import Any

import pytest

from leads.models import Decision, Event, Lead, LeadState, RuleKind
from leads.pipeline import Batch, Reason, ReasonCode
from leads.versions import open_rulebook
from leads.why import WhyPart, explain_part
from scoring.default_pack import default_scoring
from scoring.steps import rate
from tests.builders import make_company, make_event, make_lead, make_rule, publish_rules
from tests.conftest import NOW

DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("in_tenant")


def run(tenant: Any, lead: Lead) -> None:
    batch = Batch([lead.pk], Reason(ReasonCode.EVENT), NOW, tenant, open_rulebook())
    rate.apply(batch, rate.plan(batch))


def why(part: str, lead: Lead) -> WhyPart:
    (found,) = explain_part(part=part, lead_id=lead.pk, now=NOW)
    return found


def said(part: WhyPart) -> dict[str, tuple[str, str]]:
    return {rule.id: (rule.verdict, rule.effect) for rule in part.rules}


def test_the_score_tells_what_each_rule_gave_and_how_much_it_may_give(in_tenant: Any) -> None:
    lead = make_lead()
    make_event(lead=lead, type="webinar_attended", occurred_at=NOW - DAY)
    for hour in range(3):
        make_event(lead=lead, type="careers_viewed", occurred_at=NOW - timedelta(hours=hour))
    make_event(lead=lead, type="form_submitted", properties={"kind": "demo"})
    run(in_tenant, lead)
    part = why("score", lead)
    assert (part.result, part.version, part.at) == ("30", 1, NOW)
    rules = said(part)
    assert rules["webinar_attended"] == ("true", "+20, capped at 40")
    assert rules["asked_for_contact"] == ("true", "+30, capped at 60")
    assert rules["careers_viewed"] == ("true", "−20, capped at −20")
    assert rules["form_submitted"] == ("false", "0")
    assert len(rules) == len(default_scoring()["rules"])
    (careers,) = [rule for rule in part.rules if rule.id == "careers_viewed"]
    assert careers.inputs[0] == {"label": "Events in the window", "value": 3}


def test_the_score_tells_what_would_bring_most(in_tenant: Any) -> None:
    lead = make_lead()
    assert why("score", lead).smallest_change == [
        "Form: demo, pricing or contact: +30",
        "Another form: +20",
        "Webinar attended: +20",
    ]
    for _ in range(2):
        make_event(lead=lead, type="form_submitted", properties={"kind": "demo"})
    run(in_tenant, lead)
    assert "Form: demo, pricing or contact: +30" not in why("score", lead).smallest_change


def test_a_score_that_was_never_decided_is_explained_by_the_published_rules(in_tenant: Any) -> None:
    lead = make_lead()
    run(in_tenant, lead)
    part = why("score", lead)
    assert (part.result, part.version, part.at) == ("0", 1, None)
    assert set(said(part).values()) == {("false", "0")}


def test_the_version_that_made_the_score_explains_it_after_another_was_published(in_tenant: Any) -> None:
    lead = make_lead()
    make_event(lead=lead)
    publish_rules(kind=RuleKind.SCORING, document={"rules": [make_rule(id="old")], "model_cap": None})
    run(in_tenant, lead)
    publish_rules(
        kind=RuleKind.SCORING, document={"rules": [make_rule(id="new", points="7")], "model_cap": None}
    )
    part = why("score", lead)
    assert (part.result, part.version, said(part)) == ("10", 2, {"old": ("true", "+10")})


def test_until_the_pipeline_has_run_the_decision_stands(in_tenant: Any) -> None:
    lead = make_lead()
    publish_rules(kind=RuleKind.SCORING, document={"rules": [make_rule()], "model_cap": None})
    make_event(lead=lead)
    run(in_tenant, lead)
    make_event(lead=lead)
    part = why("score", lead)
    assert (part.result, said(part)) == ("10", {"rule": ("true", "+10")})


def test_the_grade_tells_what_each_criterion_says_unknown_as_such(in_tenant: Any) -> None:
    lead = make_lead(country="BR", email_kind="free", company=make_company(size=180))
    run(in_tenant, lead)
    part = why("grade", lead)
    assert (part.result, part.version, part.at) == ("C-", 1, NOW)
    assert said(part) == {
        "country": ("true", "1 step up"),
        "company_size": ("true", "2 steps up"),
        "seniority": ("unknown", "no step"),
        "industry": ("unknown", "no step"),
        "business_email": ("false", "1 step down"),
    }
    size = part.rules[1]
    assert size.inputs == [{"label": "Company size", "value": "180"}]
    first, second = part.smallest_change
    assert first.startswith("seniority is one of")
    assert first.endswith("(now unknown): 2 steps up")
    assert second == "kind of e-mail is Business (now Free mail): 2 steps up"


def test_explaining_writes_nothing(in_tenant: Any) -> None:
    lead = make_lead(country="BR")
    make_event(lead=lead)
    before = [list(model.objects.values()) for model in (LeadState, Decision, Event)]
    why("score", lead)
    why("grade", lead)
    assert [list(model.objects.values()) for model in (LeadState, Decision, Event)] == before
