"""Tags: added and taken off on the lead's page, called otherwise, put together and deleted for all leads."""

from typing import Any

import pytest
from django.test import Client

from core.due import sweep_kind
from leads import tags
from leads.models import LeadTag, RuleKind, TagChange
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member, make_rule, publish_rules
from tests.conftest import NOW

HOME = "/t/horizonte/settings/tags/"


def browser_of(member: Membership) -> Client:
    assert member.user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(member.user)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def tags_of(tenant: Tenant) -> dict[int, list[str]]:
    with tenant_scope(tenant.pk):
        found: dict[int, list[str]] = {}
        for lead, tag in LeadTag.objects.order_by("lead_id", "tag").values_list("lead_id", "tag"):
            found.setdefault(lead, []).append(tag)
        return found


def test_tags_are_added_and_taken_off_on_the_page_of_a_lead(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        lead, other = make_lead(tags=["erp"]), make_lead(tags=["feira 2026"])
        marketing = browser_of(make_member(role=Role.MARKETING))
    url = f"/t/horizonte/leads/{lead.pk}/tags/"
    shown = words(marketing.post(url, {"add": "Feira 2026 "}, headers={"HX-Request": "true"}))
    assert 'value="Feira 2026"' in shown
    assert tags_of(tenant)[lead.pk] == ["Feira 2026", "erp"]
    marketing.post(url, {"add": "", "remove": "erp"})
    assert tags_of(tenant) == {lead.pk: ["Feira 2026"], other.pk: ["feira 2026"]}
    suggested = words(marketing.get("/t/horizonte/tags/", {"add": "FEIRA"}))
    assert suggested.count("<option") == 2


def test_a_tag_is_renamed_put_together_and_deleted_on_every_lead_of_the_tenant(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    with tenant_scope(other_tenant.pk):
        foreign = make_lead(tags=["fair"])
    with tenant_scope(tenant.pk):
        both, one = make_lead(tags=["fair", "feira"]), make_lead(tags=["fair"])
        marketing, sdr = (browser_of(make_member(role=role)) for role in (Role.MARKETING, Role.SDR))
        rule = make_rule(event=None, when={"fact": "tags", "op": "has_any", "value": ["fair"]})
        publish_rules(kind=RuleKind.SCORING, document={"rules": [rule]})
    page = words(marketing.get(HOME))
    assert "2 tags" in page
    assert sdr.get(HOME).status_code == 403
    assert "Rules ask for this tag by its name" in words(marketing.get(f"{HOME}change/", {"tag": "fair"}))
    assert marketing.get(f"{HOME}change/", {"tag": "nothing"}).status_code == 404
    for bad in ("", "fair", "a;b", "x" * 81):
        assert marketing.post(f"{HOME}change/?tag=fair", {"target": bad}).status_code == 422
    assert marketing.post(f"{HOME}change/?tag=fair", {"target": "feira"})["Location"] == HOME
    assert tags_of(tenant) == {both.pk: ["feira"], one.pk: ["feira"]}
    marketing.post(f"{HOME}change/?tag=feira", {"target": "Feira"})
    assert tags_of(tenant) == {both.pk: ["Feira"], one.pk: ["Feira"]}
    marketing.post(f"{HOME}delete/?tag=Feira")
    assert tags_of(tenant) == {}
    assert tags_of(other_tenant) == {foreign.pk: ["fair"]}
    with tenant_scope(tenant.pk):
        acts = AuditEntry.objects.filter(act__startswith="tag.").order_by("pk")
        assert [(row.act, row.detail["leads"]) for row in acts] == [
            ("tag.merged", "2"),
            ("tag.renamed", "2"),
            ("tag.deleted", "2"),
        ]


def test_many_leads_are_changed_in_batches_that_a_worker_goes_on_with(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "BATCH_SIZE", 2)
    with tenant_scope(tenant.pk):
        for _number in range(5):
            make_lead(tags=["fair"])
        admin = Membership.objects.get(roles=[Role.ADMIN])
        change = tags.change_tag(tag="fair", target="feira", by=admin, now=NOW)
        assert (change.done_count, change.finished_at) == (2, None)
        with pytest.raises(tags.TagChanges):
            tags.change_tag(tag="fair", target="other", by=admin, now=NOW)
        assert tags.get_tag(tag="fair").change == change
    for turn in range(1, 4):
        sweep_kind(kind=tags.CHANGE_KIND, tenant_id=tenant.pk, now=NOW + turn * 2 * tags.FALLBACK)
    with tenant_scope(tenant.pk):
        done = TagChange.objects.get()
        assert (done.done_count, done.finished_at is None) == (5, False)
    assert list(tags_of(tenant).values()) == [["feira"]] * 5
