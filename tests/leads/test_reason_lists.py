"""The administrator's lists of reasons: each change is a version, keys stay, what is retired still means what it meant."""

from typing import Any

import pytest
from django.test import Client

from leads.acts import reject
from leads.capture.outcome_moves import find_reason
from leads.models import MoveAct, RuleKind, RuleVersion, Stage, VersionStatus
from leads.reason_lists import add_reason, change_reason, read_lists, retire_reason
from leads.reasons import ReasonList, UnknownReason, published_reasons
from leads.versions import open_rulebook, save_draft
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.scope import tenant_scope
from tests.conftest import NOW
from tests.leads.people import make_rep, sql_of

HOME = "/t/horizonte/settings/reasons/"


@pytest.fixture
def as_admin(tenant: Tenant) -> Client:
    """The administrator's browser, in English."""
    with tenant_scope(tenant.pk):
        user = Membership.objects.select_related("user").get(roles=[Role.ADMIN]).user
    assert user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def keys(which: ReasonList = ReasonList.REJECT) -> list[str]:
    return [choice.key for choice in read_lists().lists[which] if not choice.is_retired]


def test_a_reason_is_added_at_the_end_and_may_be_given_at_once(as_admin: Client, tenant: Tenant) -> None:
    page = words(as_admin.get(HOME))
    assert "Sales rejects an SQL" in page
    assert "Nurture, marketing decides what comes next" in page
    sent = {"label_en": "Wrong region", "label_pt-br": "Região errada", "leads_to": "disqualified"}
    assert as_admin.post(f"{HOME}reject/new/", sent)["Location"] == HOME
    with tenant_scope(tenant.pk):
        assert keys()[-1] == "wrong_region"
        rep = make_rep()
        lead = sql_of(rep)
        reject(lead_id=lead.pk, reason="wrong_region", by=rep, now=NOW)
        lead.standing.refresh_from_db()
        assert lead.standing.stage == Stage.DISQUALIFIED
        entry = AuditEntry.objects.get(act="reason.added")
        assert (entry.subject, entry.detail) == ("Wrong region", {"list": "reject", "key": "wrong_region"})
        version = RuleVersion.objects.get(kind=RuleKind.REASONS, status=VersionStatus.PUBLISHED)
        assert version.number == 2


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"leads_to": "nurture"}, "Give a label in one language at least"),
        ({"label_en": "x", "leads_to": "customer"}, "not one of the available choices"),
        ({"label_en": "x" * 201, "leads_to": "nurture"}, "at most 200 characters"),
    ],
)
def test_a_wrong_reason_is_refused_in_words(
    as_admin: Client, tenant: Tenant, sent: dict[str, str], said: str
) -> None:
    answer = as_admin.post(f"{HOME}reject/new/", sent)
    assert answer.status_code == 422
    assert said in words(answer)
    with tenant_scope(tenant.pk):
        assert RuleVersion.objects.filter(kind=RuleKind.REASONS).count() == 1


def test_relabelling_keeps_the_key_and_the_same_again_makes_no_version(
    as_admin: Client, tenant: Tenant
) -> None:
    page = words(as_admin.get(f"{HOME}lose/no_budget/"))
    assert "<code>no_budget</code>" in page
    sent = {"label_en": "No money", "label_pt-br": "Sem verba", "leads_to": "nurture:re_engagement"}
    for _time in range(2):
        assert as_admin.post(f"{HOME}lose/no_budget/", sent).status_code == 302
    with tenant_scope(tenant.pk):
        choice = published_reasons(open_rulebook()).find(act=MoveAct.LOSE, reason="no_budget")
        assert choice is not None
        assert (str(choice.label), choice.sequence) == ("No money", "re_engagement")
        other = published_reasons(open_rulebook()).find(act=MoveAct.REJECT, reason="no_budget")
        assert other is not None
        assert str(other.label) == "No budget"
        assert RuleVersion.objects.filter(kind=RuleKind.REASONS).count() == 2
        assert AuditEntry.objects.filter(act="reason.changed").count() == 1


def test_moving_changes_the_order_in_which_reasons_are_offered(as_admin: Client, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        before = keys()
    as_admin.post(f"{HOME}reject/{before[2]}/move/", {"direction": "up"})
    as_admin.post(f"{HOME}reject/{before[0]}/move/", {"direction": "up"})
    as_admin.post(f"{HOME}reject/{before[-1]}/move/", {"direction": "down"})
    with tenant_scope(tenant.pk):
        assert keys() == [before[0], before[2], before[1], *before[3:]]
        offered = published_reasons(open_rulebook()).choices(MoveAct.REJECT)
        assert [choice.key for choice in offered] == keys()


def test_a_retired_reason_is_not_offered_and_still_means_what_it_meant(
    as_admin: Client, tenant: Tenant
) -> None:
    as_admin.post(f"{HOME}reject/marketing_decides/retire/")
    as_admin.post(f"{HOME}lose/no_budget/retire/")
    assert "Retired:" in words(as_admin.get(HOME))
    with tenant_scope(tenant.pk):
        reasons = published_reasons(open_rulebook())
        assert "marketing_decides" not in [choice.key for choice in reasons.choices(MoveAct.REJECT)]
        assert reasons.decides_marketing(act=MoveAct.REJECT, reason="marketing_decides")
        rep = make_rep()
        lead = sql_of(rep)
        with pytest.raises(UnknownReason):
            reject(lead_id=lead.pk, reason="marketing_decides", by=rep, now=NOW)
        told = find_reason(reasons, "No budget")
        assert told is not None
        assert told.key == "no_budget"
    as_admin.post(f"{HOME}reject/marketing_decides/back/")
    with tenant_scope(tenant.pk):
        reject(lead_id=lead.pk, reason="marketing_decides", by=rep, now=NOW)


def test_the_last_reason_of_a_list_is_not_retired(as_admin: Client, tenant: Tenant) -> None:
    for key in ("junk", "no_fit", "competitor", "duplicate"):
        as_admin.post(f"{HOME}disqualify/{key}/retire/")
    assert "This is the only reason left." in words(as_admin.get(HOME))
    with tenant_scope(tenant.pk):
        assert keys(ReasonList.DISQUALIFY) == ["duplicate"]


def test_keys_of_equal_labels_are_told_apart(in_tenant: Any) -> None:
    for _time in range(2):
        add_reason(
            which=ReasonList.LOSE,
            label={"pt-br": "Preço!"},
            target=Stage.DISQUALIFIED,
            sequence=None,
            by=None,
            now=NOW,
        )
    assert keys(ReasonList.LOSE)[-2:] == ["preco", "preco_2"]


def test_a_draft_of_somebody_is_not_overwritten(as_admin: Client, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        document = RuleVersion.objects.get(kind=RuleKind.REASONS).document
        save_draft(kind=RuleKind.REASONS, document=document, by=None, now=NOW)
    answer = as_admin.post(f"{HOME}reject/new/", {"label_en": "Wrong region", "leads_to": "disqualified"})
    assert answer.status_code == 422
    assert "There is a draft of these rules (version 2)" in words(answer)
    with tenant_scope(tenant.pk):
        assert "wrong_region" not in keys()


def test_lists_and_reasons_that_are_not_there_are_404(as_admin: Client) -> None:
    assert as_admin.get(f"{HOME}win/new/").status_code == 404
    assert as_admin.get(f"{HOME}reject/unheard_of/").status_code == 404
    assert as_admin.post(f"{HOME}reject/unheard_of/retire/").status_code == 404


def test_a_reason_that_leads_elsewhere_leaves_the_leads_that_have_it(in_tenant: Any) -> None:
    rep = make_rep()
    lead = sql_of(rep)
    reject(lead_id=lead.pk, reason="no_need", by=rep, now=NOW)
    change_reason(
        which=ReasonList.REJECT,
        key="no_need",
        label={"en": "No need"},
        target=Stage.DISQUALIFIED,
        sequence=None,
        by=None,
        now=NOW,
    )
    retire_reason(which=ReasonList.REJECT, key="no_need", by=None, now=NOW)
    lead.standing.refresh_from_db()
    assert (lead.standing.stage, lead.standing.stage_reason) == (Stage.NURTURE, "no_need")
