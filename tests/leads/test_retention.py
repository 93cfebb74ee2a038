"""How long what is kept: what each rule takes and leaves, by night and batch by batch, what the page says before and after."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from core.due import sweep_tenant
from core.models import DueRow, Notification
from core.nights import next_night
from leads.erasure.erasing import ERASED
from leads.models import (
    ContactAttempt,
    ErasedIdentity,
    Erasure,
    Event,
    Lead,
    LeadState,
    LeadTask,
    Opportunity,
    RetentionRule,
    Submission,
)
from leads.retention.kinds import get_kind, list_kinds
from leads.retention.running import (
    RUN_KIND,
    InvalidRetention,
    advance_rule,
    count_would_take,
    months_before,
    set_rules,
)
from leads.takeout.tables import list_taken
from nurturing.models import Message
from tenancy.audit import sentence_of
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.rights import NotAllowed
from tests.builders import make_event, make_lead, make_member
from tests.conftest import NOW
from tests.guards.rows import make_row

LONG_AGO = NOW - timedelta(days=400)


@pytest.fixture
def admin(in_tenant: Tenant) -> Membership:
    admin = make_member(role=Role.ADMIN, name="Helena")
    assert admin.user is not None
    admin.user.language = "en"
    admin.user.save()
    return admin


def old_lead(name: str, *, stage: str = "disqualified", **standing: Any) -> Lead:
    """A lead to which nothing has happened for more than a year."""
    lead = make_lead(
        name=name, email=f"{name.lower()}@cliente.test", stage=stage, stage_at=LONG_AGO, standing=standing
    )
    Lead.objects.filter(pk=lead.pk).update(recorded_at=LONG_AGO)
    return lead


def at_night(admin: Membership, nights: int = 1) -> None:
    sweep_tenant(tenant_id=admin.tenant_id, now=NOW + timedelta(days=nights))


def set_rule(admin: Membership, **months: int | None) -> None:
    set_rules(months=months, by=admin, now=NOW)


def test_who_was_disqualified_long_ago_is_erased_with_proof_and_whoever_is_needed_stays(
    admin: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(get_kind("disqualified"), "batch_size", 2)
    gone = [old_lead(f"Gone{number}") for number in range(5)]
    late = make_lead(name="Late", stage="disqualified", stage_at=NOW - timedelta(days=300))
    new = old_lead("Newcomer", stage="new")
    won, lost, open_deal, timed, to_call = (
        old_lead(name) for name in ("Winner", "Loser", "Dealer", "Timed", "Called")
    )
    for lead, outcome in ((won, "won"), (lost, "lost"), (open_deal, "open")):
        closed_at = None if outcome == "open" else LONG_AGO
        Opportunity.objects.create(lead=lead, outcome=outcome, opened_at=LONG_AGO, closed_at=closed_at)
    LeadState.objects.filter(pk=timed.pk).update(clock_due_at=NOW)
    LeadTask.objects.create(lead=to_call, title="Call", made_at=LONG_AGO, assignee=admin)
    kept = {late.pk, new.pk, won.pk, open_deal.pk, timed.pk, to_call.pk}
    assert count_would_take(key="disqualified", months=12, now=NOW) == 6
    set_rule(admin, disqualified=12)
    rule = RetentionRule.objects.get()
    assert DueRow.objects.get(kind=RUN_KIND).due_at == next_night(NOW)
    assert not Erasure.objects.exists()
    assert advance_rule(rule_id=rule.pk, now=NOW)
    with transaction.atomic():
        # This batch is lost with its worker.
        assert advance_rule(rule_id=rule.pk, now=NOW)
        transaction.set_rollback(True)
    assert Erasure.objects.count() == 2
    at_night(admin)
    erased = set(Erasure.objects.values_list("lead_number", flat=True))
    assert erased == {lost.pk, *(lead.pk for lead in gone)}
    assert set(Lead.objects.filter(email__isnull=False).values_list("pk", flat=True)) == kept
    proof = Erasure.objects.first()
    assert (proof.state, proof.ground, proof.keeps_out, proof.asked_by) == ("done", "retention", False, None)
    assert not ErasedIdentity.objects.exists()
    rule.refresh_from_db()
    assert (rule.last_taken, rule.began_at) == (6, None)
    [entry] = AuditEntry.objects.filter(act="retention.erased")
    assert sentence_of(entry) == f"Retention erased 6 people: {get_kind('disqualified').label} (12 months)"
    # The next night finds nobody, although what is left of them is disqualified still.
    at_night(admin, nights=2)
    rule.refresh_from_db()
    assert (rule.last_taken, Erasure.objects.count()) == (0, 6)
    assert LeadState.objects.filter(pk__in=erased, stage="disqualified").count() == 6
    assert not LeadState.objects.filter(stage_reason=ERASED).exists()


def test_a_lead_is_without_activity_when_nobody_and_nothing_has_touched_it(admin: Membership) -> None:
    idle, asleep = old_lead("Idle", stage="new"), old_lead("Asleep", stage="nurture")
    make_event(lead=idle, occurred_at=LONG_AGO)
    seen, called, wrote, customer, deal = (
        old_lead(name, stage=stage)
        for name, stage in (
            *(("Seen", "new"), ("Called", "working"), ("Wrote", "mql")),
            *(("Customer", "customer"), ("Deal", "opportunity")),
        )
    )
    make_event(lead=seen, occurred_at=NOW - timedelta(days=5))
    ContactAttempt.objects.create(
        lead=called, at=NOW - timedelta(days=5), actor=admin, channel="call", outcome="reached"
    )
    Submission.objects.create(source="form", payload={}, lead=wrote, received_at=NOW - timedelta(days=5))
    found = set(get_kind("inactive").find(months_before(NOW, 6)).values_list("pk", flat=True))
    assert found == {idle.pk, asleep.pk}
    assert not found & {customer.pk, deal.pk}
    set_rule(admin, inactive=6)
    # Whoever comes back before the night stays.
    make_event(lead=asleep, occurred_at=NOW)
    at_night(admin)
    assert list(Erasure.objects.values_list("lead_number", flat=True)) == [idle.pk]


def test_rows_are_deleted_or_emptied_when_they_are_old_enough(admin: Membership) -> None:
    lead = make_lead(name="Ana")
    ancient = dict.fromkeys(("received_at",), LONG_AGO)
    Submission.objects.create(source="api", payload={"a": 1}, state="processed", lead=lead, **ancient)
    Submission.objects.create(source="form", payload={"a": 2}, state="refused", is_spam=True, **ancient)
    held = Submission.objects.create(source="api", payload={"a": 3}, state="held", **ancient)
    fresh = Submission.objects.create(source="form", payload={"a": 4}, state="refused", is_spam=True)
    visited = Event.objects.create(visitor="v1", type="page_viewed", occurred_at=LONG_AGO)
    theirs = Event.objects.create(lead=lead, visitor="v2", type="page_viewed", occurred_at=LONG_AGO)
    old = Message.objects.get(pk=make_row(Message, {Lead: lead}).pk)
    Message.objects.filter(pk=old.pk).update(state="sent", ended_at=LONG_AGO, subject="Olá")
    Notification.objects.create(member=admin, kind="x", at=LONG_AGO)
    AuditEntry.objects.create(at=LONG_AGO, act="key.created", subject="old")
    would = {kind.key: count_would_take(key=kind.key, months=12, now=NOW) for kind in list_kinds()}
    assert would == {
        "disqualified": 0,
        "inactive": 0,
        "submissions": 1,
        "spam": 1,
        "visits": 1,
        "messages": 1,
        "notifications": 1,
        "audit": 1,
    }
    set_rule(admin, **dict.fromkeys(would, 12))
    at_night(admin)
    assert set(Submission.objects.values_list("pk", flat=True)) == {held.pk, fresh.pk}
    assert list(Event.objects.values_list("pk", flat=True)) == [theirs.pk]
    assert visited.pk != theirs.pk
    old.refresh_from_db()
    assert (old.subject, old.body_html, old.body_text) == ("Olá", "", "")
    assert not Notification.objects.filter(kind="x").exists()
    assert not AuditEntry.objects.filter(subject="old").exists()
    assert AuditEntry.objects.filter(act="retention.deleted").count() == 6
    # What goes is what a rule that goes out names: the retention itself is part of an export of everything.
    assert "leads.RetentionRule" in {table.model for table in list_taken()}
    set_rule(admin, submissions=None)
    assert not RetentionRule.objects.filter(key="submissions").exists()
    assert DueRow.objects.filter(kind=RUN_KIND).count() == 7


def test_one_who_cannot_be_erased_keeps_nobody_else(
    admin: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, poisoned, last = (old_lead(name) for name in ("First", "Poisoned", "Last"))
    kind = get_kind("disqualified")
    take = kind.take

    def broken(keys: Any, now: Any) -> None:
        if poisoned.pk in keys:
            raise RuntimeError("cannot")
        take(keys, now)

    object.__setattr__(kind, "take", broken)
    try:
        set_rule(admin, disqualified=1)
        at_night(admin)
    finally:
        object.__setattr__(kind, "take", take)
    assert set(Erasure.objects.values_list("lead_number", flat=True)) == {first.pk, last.pk}
    assert RetentionRule.objects.get().last_taken == 2


def test_the_page_counts_before_it_saves_and_says_what_was_done(admin: Membership, tenant: Tenant) -> None:
    old_lead("Gone")
    client, url = Client(), f"/t/{tenant.slug}/settings/data/retention/"
    assert admin.user is not None
    client.force_login(admin.user)
    assert "settings/data/retention/" in client.get(f"/t/{tenant.slug}/settings/data/").content.decode()
    shown = client.get(url).content.decode()
    assert ("Would take now" in shown, shown.count("Off")) == (False, len(list_kinds()))
    assert client.post(url, {"disqualified": "0", "act": "save"}).status_code == 422
    assert client.post(url, {"audit": "3", "act": "save"}).status_code == 422
    counted = client.post(url, {"disqualified": "12", "act": "count"}).content.decode()
    assert 'Would take now: <span class="num">1</span>' in " ".join(counted.split())
    assert not RetentionRule.objects.exists()
    assert client.post(url, {"disqualified": "12", "act": "save"})["Location"] == url
    assert "On from tonight" in client.get(url).content.decode()
    sweep_tenant(tenant_id=tenant.pk, now=timezone.now() + timedelta(days=1))
    assert "Last time: 1 taken" in client.get(url).content.decode()
    proofs = client.get(f"/t/{tenant.slug}/settings/data/").content.decode()
    assert "Retention" in proofs
    entry = AuditEntry.objects.get(act="retention.set")
    assert sentence_of(entry).endswith("12 months (before: —)")
    with pytest.raises(NotAllowed):
        set_rules(months={"spam": 1}, by=make_member(role=Role.MANAGER), now=NOW)
    with pytest.raises(InvalidRetention):
        set_rules(months={"audit": 11}, by=admin, now=NOW)
