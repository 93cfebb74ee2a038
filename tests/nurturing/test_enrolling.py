"""Into sequences and out of them: by the reason of the return, by hand, by what happens to the lead."""

from datetime import timedelta
from typing import Any

import pytest

from leads import acts
from leads.events import NewEvent, record_events
from leads.models import Consent, Decision, Lead, LeadState
from leads.pipeline import Reason, run_pipeline
from nurturing.models import Enrollment, Message, Suppression
from nurturing.refusals import hash_email
from nurturing.services import EnrollmentNotPossible, EnrollmentUnknown, enroll_lead, exit_enrollment
from tenancy.models import Membership, Role
from tenancy.rights import NotAllowed
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.nurturing.sequences import email, publish_sequence, wait

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def manager(in_tenant: Any) -> Membership:
    return make_member(role=Role.MANAGER)


def rejected(manager: Membership, reason: str = "no_budget", **fields: Any) -> Lead:
    """A lead that sales has just rejected."""
    lead = make_lead(stage="sql", stage_at=NOW - DAY, **fields)
    acts.reject(lead_id=lead.pk, reason=reason, by=manager, now=NOW)
    return lead


def run(*leads: Lead, now: Any = NOW) -> None:
    run_pipeline(lead_ids=[lead.pk for lead in leads], reason=Reason("event"), now=now)


def results(lead: Lead) -> list[tuple[str, str | None]]:
    decisions = Decision.objects.filter(lead=lead, kind="enrollment").order_by("id")
    return [(decision.result, decision.detail.get("because")) for decision in decisions]


def test_a_rejected_lead_enters_the_sequence_that_the_reason_names(manager: Membership) -> None:
    lead = rejected(manager)
    enrollment = Enrollment.objects.get(lead=lead)
    assert (enrollment.sequence, enrollment.state, enrollment.step) == ("re_engagement", "active", "in_touch")
    assert LeadState.objects.get(lead=lead).enrolled_at == NOW
    assert results(lead) == [("enrolled", "no_budget")]


def test_the_first_message_is_written_at_once_and_the_next_after_two_weeks(
    manager: Membership, pass_time: Any
) -> None:
    lead = rejected(manager)
    pass_time(NOW)
    assert list(Message.objects.values_list("lead_id", "step", "state")) == [(lead.pk, "in_touch", "kept")]
    pass_time(NOW + 13 * DAY)
    assert Message.objects.count() == 1
    pass_time(NOW + 14 * DAY)
    assert list(Message.objects.order_by("id").values_list("step", flat=True)) == ["in_touch", "questions"]


def test_a_lead_that_stays_silent_gets_three_messages_and_is_through(
    manager: Membership, pass_time: Any
) -> None:
    lead = rejected(manager)
    for days in (0, 14, 35):
        pass_time(NOW + days * DAY)
    steps = list(Message.objects.order_by("id").values_list("step", flat=True))
    assert steps == ["in_touch", "questions", "last_word"]
    assert Enrollment.objects.get(lead=lead).state == "finished"
    assert results(lead)[1:] == [("branched", None), ("finished", None)]


def test_a_lead_that_came_back_gets_no_last_word(manager: Membership, pass_time: Any) -> None:
    lead = rejected(manager)
    for days in (0, 14):
        pass_time(NOW + days * DAY)
    record_events(events=[NewEvent("page_viewed", NOW + 20 * DAY, lead_id=lead.pk)], now=NOW + 20 * DAY)
    pass_time(NOW + 35 * DAY)
    assert Message.objects.count() == 2
    assert Enrollment.objects.get(lead=lead).state == "finished"


def test_where_marketing_decides_nobody_is_enrolled(manager: Membership) -> None:
    lead = rejected(manager, "marketing_decides")
    assert not Enrollment.objects.exists()
    assert results(lead) == []


def test_running_the_step_again_changes_nothing(manager: Membership, pass_time: Any) -> None:
    lead, unreachable = rejected(manager), rejected(manager, email=None)
    pass_time(NOW)
    before = (
        list(Enrollment.objects.order_by("id").values()),
        list(Decision.objects.order_by("id").values_list("id", flat=True)),
    )
    for minutes in (0, 5):
        run(lead, unreachable, now=NOW + minutes * MINUTE)
    after = (
        list(Enrollment.objects.order_by("id").values()),
        list(Decision.objects.order_by("id").values_list("id", flat=True)),
    )
    assert after == before


def test_a_lead_that_only_files_tell_of_is_not_enrolled(in_tenant: Any) -> None:
    lead = make_lead(stage="nurture", stage_act="lose", stage_reason="no_budget", is_live=False)
    run(lead)
    assert not Enrollment.objects.exists()


def test_a_lead_without_an_e_mail_is_not_enrolled_and_it_is_said_why_once(manager: Membership) -> None:
    lead = rejected(manager, email=None)
    run(lead, now=NOW + DAY)
    assert results(lead) == [("not_enrolled", "no_email")]


def test_a_lead_enters_once_its_e_mail_is_known(manager: Membership) -> None:
    lead = rejected(manager, email=None)
    Lead.objects.filter(pk=lead.pk).update(email="ana@empresa.test")
    run(lead, now=NOW + DAY)
    assert results(lead) == [("not_enrolled", "no_email"), ("enrolled", "no_budget")]


def test_a_lead_that_withdrew_its_consent_is_not_enrolled(manager: Membership) -> None:
    lead = make_lead(stage="sql", stage_at=NOW - DAY)
    Consent.objects.create(
        lead=lead, purpose="marketing", basis="consent", given_at=NOW - DAY, withdrawn_at=NOW, source="form"
    )
    acts.reject(lead_id=lead.pk, reason="no_budget", by=manager, now=NOW)
    assert results(lead) == [("not_enrolled", "unsubscribed")]


def test_consent_given_again_counts_more_than_one_withdrawn_before(manager: Membership) -> None:
    lead = make_lead(stage="sql", stage_at=NOW - DAY)
    given = {"lead": lead, "purpose": "marketing", "basis": "consent", "source": "form"}
    Consent.objects.create(given_at=NOW - 9 * DAY, withdrawn_at=NOW - 8 * DAY, **given)
    Consent.objects.create(given_at=NOW - DAY, **given)
    acts.reject(lead_id=lead.pk, reason="no_budget", by=manager, now=NOW)
    assert results(lead) == [("enrolled", "no_budget")]


def test_a_suppressed_address_is_not_written_to(manager: Membership) -> None:
    Suppression.objects.create(email_hash=hash_email("ana@empresa.test"), reason="refused", at=NOW)
    lead = rejected(manager, email="ana@empresa.test")
    assert results(lead) == [("not_enrolled", "suppressed")]


def test_a_lead_that_is_promoted_leaves_and_what_waited_is_not_sent(manager: Membership) -> None:
    from core.due import sweep_tenant

    lead = rejected(manager)
    sweep_tenant(tenant_id=lead.tenant_id, now=NOW)
    acts.promote(lead_id=lead.pk, reason="Called us", by=manager, now=NOW + MINUTE)
    enrollment = Enrollment.objects.get(lead=lead)
    assert (enrollment.state, enrollment.exit_reason) == ("exited", "left_nurture")
    assert list(Message.objects.values_list("state", flat=True)) == ["cancelled"]


def test_a_disqualified_lead_leaves_and_gets_no_more_mail(manager: Membership, pass_time: Any) -> None:
    lead = rejected(manager)
    acts.disqualify(lead_id=lead.pk, reason="junk", by=manager, now=NOW + MINUTE)
    assert Enrollment.objects.get(lead=lead).exit_reason == "disqualified"
    pass_time(NOW + 40 * DAY)
    assert not Message.objects.exists()


def test_a_lead_that_returns_again_enters_again(manager: Membership) -> None:
    lead = rejected(manager)
    acts.promote(lead_id=lead.pk, reason="Called us", by=manager, now=NOW + MINUTE)
    acts.nurture(lead_id=lead.pk, reason="no_answer", by=manager, now=NOW + 2 * MINUTE)
    states = Enrollment.objects.filter(lead=lead).order_by("id").values_list("state", flat=True)
    assert list(states) == ["exited", "active"]


def test_the_sequences_own_condition_lets_a_lead_out(in_tenant: Any, manager: Membership) -> None:
    publish_sequence(
        email(), wait(), email("again"), exit_when={"fact": "tags", "op": "has_any", "value": ["customer"]}
    )
    lead, other = make_lead(stage="nurture"), make_lead(stage="nurture")
    for each in (lead, other):
        enroll_lead(lead_id=each.pk, sequence="trial", by=manager, now=NOW)
    lead.tags.create(tag="customer")
    run(lead, other, now=NOW + MINUTE)
    assert Enrollment.objects.get(lead=lead).exit_reason == "condition"
    assert Enrollment.objects.get(lead=other).state == "active"


def test_by_hand_a_lead_enters_and_is_taken_out(manager: Membership, pass_time: Any) -> None:
    lead = rejected(manager, "marketing_decides")
    enrollment = enroll_lead(lead_id=lead.pk, sequence="re_engagement", by=manager, now=NOW + DAY)
    assert LeadState.objects.get(lead=lead).enrolled_at == NOW + DAY
    exit_enrollment(enrollment_id=enrollment.pk, by=manager, now=NOW + 2 * DAY)
    run(lead, now=NOW + 3 * DAY)
    pass_time(NOW + 4 * DAY)
    enrollment.refresh_from_db()
    assert (enrollment.state, enrollment.exit_reason, Message.objects.count()) == ("exited", "by_hand", 0)


def test_by_hand_a_lead_enters_a_sequence_once_at_a_time(manager: Membership) -> None:
    lead = rejected(manager)
    with pytest.raises(EnrollmentNotPossible, match="already"):
        enroll_lead(lead_id=lead.pk, sequence="re_engagement", by=manager, now=NOW + DAY)


def test_by_hand_a_lead_that_sales_works_on_does_not_enter(manager: Membership) -> None:
    lead = make_lead(stage="opportunity")
    with pytest.raises(EnrollmentNotPossible, match="Nurture"):
        enroll_lead(lead_id=lead.pk, sequence="re_engagement", by=manager, now=NOW)


def test_an_sdr_enrols_nobody(manager: Membership) -> None:
    lead = rejected(manager, "marketing_decides")
    with pytest.raises(NotAllowed):
        enroll_lead(lead_id=lead.pk, sequence="re_engagement", by=make_member(role=Role.SDR), now=NOW)


def test_an_enrolment_of_another_tenant_does_not_exist(tenant: Any, other_tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        lead = rejected(make_member(role=Role.MANAGER))
        enrollment_id = Enrollment.objects.get(lead=lead).pk
    with tenant_scope(other_tenant.pk):
        assert not Enrollment.objects.exists()
        with pytest.raises(EnrollmentUnknown):
            exit_enrollment(enrollment_id=enrollment_id, by=make_member(role=Role.ADMIN), now=NOW)


def test_a_batch_does_what_its_leads_do_one_by_one(manager: Membership, pass_time: Any) -> None:
    together = [make_lead(stage="nurture", stage_act="lose", stage_reason="no_need") for _ in range(5)]
    apart = [make_lead(stage="nurture", stage_act="lose", stage_reason="no_need") for _ in range(5)]
    for leads in (together, apart):
        Lead.objects.filter(pk=leads[0].pk).update(email=None)
        LeadState.objects.filter(pk=leads[1].pk).update(stage="disqualified")
    run(*together)
    for lead in apart:
        run(lead)
    pass_time(NOW)

    def outcome(leads: list[Lead]) -> list[Any]:
        return [
            (
                results(lead),
                list(Enrollment.objects.filter(lead=lead).values_list("state", "step", "next_at")),
                list(Message.objects.filter(lead=lead).values_list("step", "subject", "state")),
            )
            for lead in leads
        ]

    assert outcome(together) == outcome(apart)
    assert [len(enrollments) for _, enrollments, _ in outcome(together)] == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("count", [2, 40])
def test_a_batch_of_any_size_takes_as_many_statements(
    manager: Membership, tenant: Any, django_assert_max_num_queries: Any, count: int
) -> None:
    from core.due import sweep

    leads = [make_lead(stage="nurture", stage_act="lose", stage_reason="no_need") for _ in range(count)]
    run(*leads)
    with django_assert_max_num_queries(50):
        sweep(now=NOW)
    assert Message.objects.count() == count


def test_those_inside_stay_with_the_version_they_began_with(manager: Membership, pass_time: Any) -> None:
    first = publish_sequence(email(subject="Old"), wait(), email("second", subject="Old again"))
    lead, later = make_lead(stage="nurture"), make_lead(stage="nurture")
    enroll_lead(lead_id=lead.pk, sequence="trial", by=manager, now=NOW)
    pass_time(NOW)
    second = publish_sequence(email("new", subject="New"), now=NOW + MINUTE)
    enroll_lead(lead_id=later.pk, sequence="trial", by=manager, now=NOW + 2 * MINUTE)
    pass_time(NOW + DAY)
    subjects = Message.objects.order_by("lead_id", "id").values_list("lead_id", "subject")
    assert list(subjects) == [(lead.pk, "Old"), (lead.pk, "Old again"), (later.pk, "New")]
    assert [Enrollment.objects.get(lead=each).version_id for each in (lead, later)] == [first.pk, second.pk]
