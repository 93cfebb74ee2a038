"""What an SDR does: contact attempts, the assessment, the handover."""

import pytest

from leads import acts
from leads.acts.opening import InvalidAct
from leads.acts.qualifying import NotReadyForHandover
from leads.lifecycle import MoveNotAllowed
from leads.models import Answer, ContactAttempt, Handover, MoveAct, Stage, StageChange
from leads.ownership import NotYourLead
from leads.qualification.assessments import InvalidAssessment
from leads.selectors import LeadNotFound
from tenancy.models import Membership, Role
from tenancy.rights import NotAllowed
from tests.builders import make_lead, make_member, make_team
from tests.conftest import NOW
from tests.leads.people import make_manager, make_sdr, make_service, mql_of, standing_of, working_of

pytestmark = pytest.mark.usefixtures("in_tenant", "acts_alone")

MET = {"met": True, "note": ""}
ALL_OF_BANT = dict.fromkeys(("budget", "authority", "need", "timeline"), MET)


def log(
    lead_id: int, by: Membership, *, channel: str = "call", outcome: str = "no_answer", note: str = ""
) -> None:
    acts.log_attempt(lead_id=lead_id, channel=channel, outcome=outcome, note=note, by=by, now=NOW)


def test_the_first_attempt_makes_an_mql_working_whatever_its_outcome() -> None:
    sdr = make_sdr()
    lead = mql_of(sdr)
    log(lead.pk, sdr, outcome="wrong_contact", note="  Ramal errado ")
    attempt = ContactAttempt.objects.get(lead=lead)
    assert (attempt.channel, attempt.outcome, attempt.note) == ("call", "wrong_contact", "Ramal errado")
    assert (attempt.actor, attempt.at) == (sdr, NOW)
    state = standing_of(lead)
    assert (state.stage, state.stage_at, state.stage_act) == (Stage.WORKING, NOW, MoveAct.ATTEMPT)
    change = StageChange.objects.filter(lead=lead).latest("id")
    assert (change.from_stage, change.to_stage, change.actor) == ("mql", "working", sdr)


def test_a_further_attempt_leaves_the_lead_in_work_since_the_first() -> None:
    sdr = make_sdr()
    lead = working_of(sdr)
    since = standing_of(lead).stage_at
    log(lead.pk, sdr, outcome="reached")
    log(lead.pk, sdr, channel="whatsapp", outcome="reached")
    assert ContactAttempt.objects.filter(lead=lead).count() == 2
    assert standing_of(lead).stage_at == since


@pytest.mark.parametrize("stage", ["new", "sql", "opportunity", "customer", "nurture", "disqualified"])
def test_an_attempt_is_refused_outside_mql_and_working(stage: str) -> None:
    lead = make_lead(stage=stage)
    with pytest.raises(MoveNotAllowed) as refusal:
        log(lead.pk, make_manager())
    assert refusal.value.status == 409
    assert "MQL, Working" in str(refusal.value.detail)
    assert not ContactAttempt.objects.exists()


def test_an_unknown_channel_or_outcome_is_refused_with_the_valid_ones() -> None:
    lead = mql_of(make_sdr())
    with pytest.raises(InvalidAct) as refusal:
        log(lead.pk, make_manager(), channel="fax")
    assert refusal.value.errors[0].field == "channel"
    assert "call, email, whatsapp, meeting, other" in str(refusal.value.detail)
    with pytest.raises(InvalidAct) as refusal:
        log(lead.pk, make_manager(), outcome="maybe")
    assert "reached, no_answer, wrong_contact, other" in str(refusal.value.detail)


def test_an_sdr_who_acts_on_a_lead_without_owner_becomes_its_owner() -> None:
    sdr = make_sdr()
    lead = mql_of(None)
    log(lead.pk, sdr)
    assert standing_of(lead).owner_sdr == sdr
    decision = lead.decisions.filter(kind="owner", topic="sdr").latest("id")
    assert (decision.result, decision.detail["how"]) == (sdr.name, "attempt")


def test_a_service_user_logs_attempts_and_owns_nothing() -> None:
    lead = working_of(None)
    log(lead.pk, make_service())
    assert standing_of(lead).owner_sdr != make_service()
    assert ContactAttempt.objects.get(lead=lead).actor.name == "CRM"


def test_another_sdrs_lead_is_out_of_hands_but_not_for_a_manager_or_the_team_lead() -> None:
    owner, other, lead_member = make_sdr(name="Bruno"), make_sdr(), make_sdr()
    make_team(function="sdr", lead_member=lead_member, members=[owner])
    lead = working_of(owner)
    with pytest.raises(NotYourLead) as refusal:
        log(lead.pk, other)
    assert refusal.value.status == 403
    assert "Bruno" in str(refusal.value.detail)
    log(lead.pk, make_manager())
    log(lead.pk, lead_member)
    assert ContactAttempt.objects.filter(lead=lead).count() == 2


def test_a_lead_without_owner_is_in_the_hands_of_its_team_alone() -> None:
    member, stranger = make_sdr(), make_sdr()
    team = make_team(function="sdr", members=[member])
    lead = mql_of(None, standing={"team_sdr": team})
    with pytest.raises(NotYourLead):
        log(lead.pk, stranger)
    log(lead.pk, member)
    assert standing_of(lead).owner_sdr == member


@pytest.mark.parametrize("role", [Role.MARKETING, Role.SALES, Role.VIEWER])
def test_other_roles_neither_call_nor_assess_nor_hand_over(role: Role) -> None:
    member, lead = make_member(role=role), working_of(make_sdr())
    with pytest.raises(NotAllowed):
        log(lead.pk, member)
    with pytest.raises(NotAllowed):
        acts.assess(lead_id=lead.pk, framework="bant", answers={"need": MET}, by=member, now=NOW)
    with pytest.raises(NotAllowed):
        acts.hand_over(lead_id=lead.pk, by=member, now=NOW)


def test_who_has_left_does_nothing() -> None:
    sdr = make_sdr()
    lead = mql_of(sdr)
    sdr.is_active = False
    with pytest.raises(NotAllowed):
        log(lead.pk, sdr)


def test_a_lead_that_does_not_exist_is_not_found() -> None:
    for lead_id in (0, 987654321, 2**63, 10**30):
        with pytest.raises(LeadNotFound):
            log(lead_id, make_manager())


def test_an_assessment_in_parts_keeps_the_other_answers() -> None:
    sdr = make_sdr()
    lead = working_of(sdr)
    first = {"budget": {"met": True, "note": "R$ 40 mil"}, "need": {"met": None, "note": ""}}
    acts.assess(lead_id=lead.pk, framework="bant", answers=first, by=sdr, now=NOW)
    acts.assess(lead_id=lead.pk, framework="bant", answers={"need": {"met": False}}, by=sdr, now=NOW)
    acts.assess(lead_id=lead.pk, framework="bant", answers={"budget": {"note": "R$ 50 mil"}}, by=sdr, now=NOW)
    answers = {answer.question: (answer.met, answer.note) for answer in Answer.objects.filter(lead=lead)}
    assert answers == {"budget": (True, "R$ 50 mil"), "need": (False, "")}


@pytest.mark.parametrize(
    ("framework", "answers", "field"),
    [
        ("meddic", {"budget": MET}, "framework"),
        ("bant", {}, "answers"),
        ("bant", {"goals": MET}, "answers.goals"),
        ("bant", {"budget": {"met": "yes"}}, "answers.budget.met"),
        ("bant", {"budget": {"met": 1}}, "answers.budget.met"),
        ("bant", {"budget": {"note": 7}}, "answers.budget.note"),
        ("bant", {"budget": {"met": True, "why": ""}}, "answers.budget"),
        ("bant", {"budget": True}, "answers.budget"),
    ],
)
def test_an_assessment_that_is_none_is_refused_where_it_is_wrong(
    framework: str, answers: dict[str, object], field: str
) -> None:
    lead = working_of(make_sdr())
    with pytest.raises(InvalidAssessment) as refusal:
        acts.assess(lead_id=lead.pk, framework=framework, answers=answers, by=make_manager(), now=NOW)
    assert [problem.field for problem in refusal.value.errors] == [field]
    assert not Answer.objects.exists()


def test_a_customer_is_not_assessed_any_more() -> None:
    lead = make_lead(stage=Stage.CUSTOMER)
    with pytest.raises(MoveNotAllowed):
        acts.assess(lead_id=lead.pk, framework="bant", answers={"need": MET}, by=make_manager(), now=NOW)


@pytest.mark.parametrize("framework", ["bant", "gpct"])
def test_a_lead_is_handed_over_when_all_four_are_met_in_either_framework(framework: str) -> None:
    questions = {
        "bant": ALL_OF_BANT,
        "gpct": dict.fromkeys(("goals", "plans", "challenges", "timeline"), MET),
    }
    sdr = make_sdr()
    lead = working_of(sdr)
    acts.assess(lead_id=lead.pk, framework=framework, answers=questions[framework], by=sdr, now=NOW)
    acts.hand_over(lead_id=lead.pk, by=sdr, now=NOW)
    handover = Handover.objects.get(lead=lead)
    assert (handover.offered_at, handover.offered_by, handover.answer) == (NOW, sdr, None)
    assert handover.override_reason == ""
    assert standing_of(lead).stage == Stage.SALES_QUALIFIED


def test_a_handover_names_the_questions_that_are_open() -> None:
    sdr = make_sdr()
    lead = working_of(sdr)
    answers = {"budget": MET, "authority": {"met": False}, "need": MET, "timeline": {"met": None}}
    acts.assess(lead_id=lead.pk, framework="bant", answers=answers, by=sdr, now=NOW)
    with pytest.raises(NotReadyForHandover) as refusal:
        acts.hand_over(lead_id=lead.pk, by=sdr, now=NOW)
    assert refusal.value.status == 409
    assert [problem.field for problem in refusal.value.errors] == ["authority", "timeline"]
    assert "Authority, Timeline" in str(refusal.value.detail)
    assert standing_of(lead).stage == Stage.WORKING
    assert not Handover.objects.exists()


def test_without_any_answer_all_four_are_open() -> None:
    sdr = make_sdr()
    lead = working_of(sdr)
    with pytest.raises(NotReadyForHandover) as refusal:
        acts.hand_over(lead_id=lead.pk, by=sdr, now=NOW)
    assert [problem.field for problem in refusal.value.errors] == ["budget", "authority", "need", "timeline"]


def test_the_framework_that_was_used_decides_and_not_the_other() -> None:
    sdr = make_sdr()
    lead = working_of(sdr)
    acts.assess(lead_id=lead.pk, framework="gpct", answers={"goals": MET}, by=sdr, now=NOW)
    with pytest.raises(NotReadyForHandover) as refusal:
        acts.hand_over(lead_id=lead.pk, by=sdr, now=NOW)
    assert [problem.field for problem in refusal.value.errors] == ["plans", "challenges", "timeline"]


def test_a_manager_passes_open_questions_over_with_a_reason_that_is_kept() -> None:
    lead = working_of(make_sdr())
    acts.hand_over(lead_id=lead.pk, override_reason="Pediu reunião hoje", by=make_manager(), now=NOW)
    assert Handover.objects.get(lead=lead).override_reason == "Pediu reunião hoje"
    assert standing_of(lead).stage == Stage.SALES_QUALIFIED


def test_a_service_user_passes_open_questions_over_as_a_manager_may() -> None:
    lead = working_of(make_sdr())
    acts.hand_over(lead_id=lead.pk, override_reason="CRM", by=make_service(), now=NOW)
    assert standing_of(lead).stage == Stage.SALES_QUALIFIED


def test_an_sdr_does_not_pass_open_questions_over() -> None:
    sdr = make_sdr()
    lead = working_of(sdr)
    with pytest.raises(NotAllowed):
        acts.hand_over(lead_id=lead.pk, override_reason="Tenho certeza", by=sdr, now=NOW)
    assert standing_of(lead).stage == Stage.WORKING


def test_an_mql_nobody_has_called_is_not_handed_over() -> None:
    sdr = make_sdr()
    lead = mql_of(sdr)
    with pytest.raises(MoveNotAllowed) as refusal:
        acts.hand_over(lead_id=lead.pk, by=sdr, now=NOW)
    assert "Working" in str(refusal.value.detail)


def test_an_act_makes_a_lead_live_that_only_files_told_of() -> None:
    sdr = make_sdr()
    lead = working_of(sdr, is_live=False)
    log(lead.pk, sdr)
    assert standing_of(lead).live_since == NOW
