"""Who may be the same person: found by night, in bounded work, dismissed for good."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core.due import sweep_kind
from leads.merging import duplicates
from leads.models import DuplicateProposal, DuplicateReason, DuplicateSearch, Lead
from tenancy.models import Role, Tenant
from tenancy.scope import tenant_scope
from tests.api.asking import ApiCaller
from tests.builders import make_company, make_lead, make_member
from tests.conftest import NOW


def search(tenant: Tenant, days: int = 0) -> dict[tuple[str, str], tuple[list[str], int]]:
    """Search, and what is proposed then."""
    now = NOW + timedelta(days=days)
    with tenant_scope(tenant.pk):
        duplicates.start_search(now=now)
    for _step in range(len(duplicates.RULES) + 1):
        sweep_kind(kind=duplicates.SEARCH_KIND, tenant_id=tenant.pk, now=now)
    with tenant_scope(tenant.pk):
        assert DuplicateSearch.objects.get().finished_at == now
        return proposed()


def proposed() -> dict[tuple[str, str], tuple[list[str], int]]:
    """Reasons and confidence of what is proposed, by the e-mails of a pair."""
    found = DuplicateProposal.objects.filter(dismissed_at__isnull=True).select_related("first", "second")
    return {(each.first.email, each.second.email): (each.reasons, each.confidence) for each in found}


def lead(email: str, name: str | None = None, **fields: Any) -> Lead:
    return make_lead(email=email, name=name, name_key=name.lower() if name else None, **fields)


def test_pairs_are_proposed_with_their_reasons_and_only_within_the_tenant(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    phone = "+5519999990000"
    with tenant_scope(other_tenant.pk):
        lead("deles@acme.test", phone=phone)
    with tenant_scope(tenant.pk):
        acme = make_company(name="Acme", domain="acme.test")
        lead("ana.prado@acme.test", "Ana Prado", phone=phone, company=acme)
        lead("anaprado+erp@acme.test", "Ana Prado", phone=phone, company=acme)
        lead("caio@um.test", "Caio Um", phone="+5519888880000")
        lead("bia@dois.test", "Bia Dois", phone="+5519888880000")
        lead("fernanda@tres.test")
        lead("fernnda@tres.test")
        lead("mario.souza@quatro.test", "Mario Souza")
        lead("maria.souza@quatro.test", "Maria Souza")
        lead("vendas1@cinco.test")
        lead("vendas2@cinco.test")
        lead("gabriela@seis.test")
        lead("gabriela@sete.test")
    found = search(tenant)
    reasons = DuplicateReason
    assert {pair: (set(why), confidence) for pair, (why, confidence) in found.items()} == {
        ("ana.prado@acme.test", "anaprado+erp@acme.test"): (
            {reasons.PHONE, reasons.NAME_AND_COMPANY, reasons.SAME_ADDRESS},
            99,
        ),
        ("caio@um.test", "bia@dois.test"): ({reasons.PHONE}, 45),
        ("fernanda@tres.test", "fernnda@tres.test"): ({reasons.SIMILAR_ADDRESS}, 55),
    }


def test_a_dismissed_pair_is_never_proposed_again_and_one_for_which_nothing_speaks_goes(
    tenant: Tenant,
) -> None:
    with tenant_scope(tenant.pk):
        by = make_member(role=Role.MANAGER)
        phone = {"phone": "+5519999990000"}
        lead("ana@um.test", **phone)
        lead("bia@dois.test", **phone)
        changing = lead("caio@tres.test", phone="+5519888880000")
        lead("dora@quatro.test", phone="+5519888880000")
    assert len(search(tenant)) == 2
    with tenant_scope(tenant.pk):
        proposal = DuplicateProposal.objects.get(first__email="ana@um.test")
        duplicates.dismiss_proposal(proposal_id=proposal.pk, by=by, now=NOW)
        Lead.objects.filter(pk=changing.pk).update(phone=None)
    assert search(tenant, days=1) == {}
    with tenant_scope(tenant.pk):
        duplicates.reopen_proposal(proposal_id=proposal.pk, by=by)
    assert len(search(tenant, days=2)) == 1


def test_what_very_many_share_says_nothing(tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        for number in range(6):
            lead(f"person{number}@empresa{number}.test", phone="+551130000000")
    assert search(tenant) == {}


def test_one_edit_is_found_wherever_it_lies(tenant: Tenant) -> None:
    word = "abcdefgh"
    other = [f"{word[:place]}x{word[place + 1 :]}" for place in range(8)]
    other += [f"{word[:place]}{word[place + 1 :]}" for place in range(8)]
    other += [f"{word[:place]}x{word[place:]}" for place in range(9)]
    with tenant_scope(tenant.pk):
        for number, each in enumerate(other):
            lead(f"{word}@d{number}.test")
            lead(f"{each}@d{number}.test")
    assert len(search(tenant)) == len(other)


def make_alike(tenant: Tenant) -> None:
    """Leads of whom many are alike in some way: for each reason pairs, and blocks of three."""
    with tenant_scope(tenant.pk):
        acme = make_company(name="Acme", domain="acme.test")
        for number in range(12):
            word = "abcdefghijkl"[number] * 3 + "mnopqr"
            phone = f"+5519{number // 3:09}"
            lead(f"{word}@d{number % 4}.test", "Ana Prado", phone=phone, company=acme if number < 4 else None)
            lead(f"{word[:4]}.{word[4:]}@d{number % 4}.test", "Bia Lima", phone=f"+5511{number:09}")
            lead(f"{word}s@d{number % 4}.test", "Ana Prado")


@pytest.mark.parametrize("most", [50_000, 5])
def test_slices_find_what_one_look_at_everything_finds(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(duplicates, "MOST_PAIRS", most)
    make_alike(tenant)
    whole = search(tenant)
    assert {reason for why, _confidence in whole.values() for reason in why} == set(DuplicateReason.values)
    with tenant_scope(tenant.pk):
        DuplicateProposal.objects.all().delete()
        duplicates.start_search(now=NOW)
    monkeypatch.setattr(duplicates, "KEYS_A_SLICE", 7)
    # 36 leads, four keys each for the last reason.
    assert sweep_kind(kind=duplicates.SEARCH_KIND, tenant_id=tenant.pk, now=NOW) == 3 * 6 + 21
    assert search(tenant) == whole


def test_a_search_that_fails_goes_on_with_the_slice_it_was_at(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_alike(tenant)
    whole = search(tenant)
    with tenant_scope(tenant.pk):
        DuplicateProposal.objects.all().delete()
        started = duplicates.start_search(now=NOW)
    monkeypatch.setattr(duplicates, "KEYS_A_SLICE", 7)
    look, looked = duplicates._look, []

    # A sweep tries once more by itself.
    def fail_twice(rule: duplicates.Rule, of: DuplicateSearch) -> None:
        look(rule, of)
        looked.append((of.step, of.slice))
        if len(looked) in {3, 4}:
            raise ValueError("in mid-slice")

    monkeypatch.setattr(duplicates, "_look", fail_twice)
    sweep_kind(kind=duplicates.SEARCH_KIND, tenant_id=tenant.pk, now=NOW)
    with tenant_scope(tenant.pk):
        stands = DuplicateSearch.objects.get(pk=started.pk)
        assert (stands.step, stands.slice, stands.slices) == (0, 2, 6)
        assert not DuplicateProposal.objects.exists()
    later = NOW + timedelta(minutes=5)
    sweep_kind(kind=duplicates.SEARCH_KIND, tenant_id=tenant.pk, now=later)
    assert looked[2:5] == [(0, 3)] * 3
    with tenant_scope(tenant.pk):
        stands = DuplicateSearch.objects.get()
        assert (stands.pk, stands.finished_at, stands.found) == (started.pk, later, [])
        assert proposed() == whole


def test_the_page_lists_dismisses_and_searches(tenant: Tenant, other_tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        member = make_member(role=Role.MARKETING)
        first, _second = (
            lead("ana@um.test", "Ana <i>Um", phone="+5519999990000"),
            lead("bia@dois.test", phone="+5519999990000"),
        )
    assert member.user is not None
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(member.user)
    home = "/t/horizonte/duplicates/"
    assert "Nobody has searched yet" in browser.get(home).content.decode()
    assert browser.post(f"{home}search/")["Location"] == home
    search(tenant)
    page = browser.get(home).content.decode()
    assert "1 pair may be the same person" in page
    assert "Ana &lt;i&gt;Um" in page
    assert "May be the same as" in browser.get(f"/t/horizonte/leads/{first.pk}/").content.decode()
    with tenant_scope(tenant.pk):
        proposal = DuplicateProposal.objects.get()
    api, foreign = ApiCaller(tenant), ApiCaller(other_tenant)
    [listed] = api.get("/duplicates/").json()["results"]
    assert (listed["reasons"], listed["confidence"]) == (["phone"], 90)
    assert foreign.get("/duplicates/").json()["results"] == []
    assert foreign.post(f"/duplicates/{proposal.pk}/dismiss/").status_code == 404
    htmx = {"HX-Request": "true", "HX-Target": "duplicates"}
    answer = browser.post(f"{home}{proposal.pk}/dismiss/", headers=htmx)
    assert "Ana" not in answer.content.decode()
    assert "reopen" in answer["HX-Trigger"]
    assert "Ana" in browser.get(home, {"show": "dismissed"}).content.decode()
    assert (
        browser.post(f"{home}{proposal.pk}/reopen/", headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    )
    assert api.post(f"/duplicates/{proposal.pk}/dismiss/").json()["dismissed_at"] is not None


def test_the_search_begins_at_night_in_the_zone_of_the_tenant(tenant: Tenant, other_tenant: Tenant) -> None:
    Tenant.objects.filter(pk=other_tenant.pk).update(time_zone="Asia/Tokyo")
    # 3:20 in São Paulo.
    duplicates.start_night_searches(now=NOW.replace(hour=6, minute=20))
    with tenant_scope(tenant.pk):
        assert DuplicateSearch.objects.count() == 1
    with tenant_scope(other_tenant.pk):
        assert not DuplicateSearch.objects.exists()
