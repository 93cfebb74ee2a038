"""The published rules can be read in words, with their versions."""

from typing import Any

import pytest
from django.test import Client

from leads.models import RuleKind, RuleVersion
from leads.versions import save_draft
from tenancy.models import Membership
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_member, make_rule, publish_rules
from tests.conftest import NOW


@pytest.fixture
def reader(tenant: Any) -> Client:
    """Somebody who may look at everything and change nothing, reading English."""
    with tenant_scope(tenant.pk):
        member: Membership = make_member(role="viewer")
    user = member.user
    assert user is not None
    user.language = "en"
    user.save()
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, path: str = "") -> str:
    response = client.get(f"/t/horizonte/rules/{path}")
    assert response.status_code == 200
    return response.content.decode()


def test_every_document_of_the_default_pack_is_listed_and_opens(reader: Client, tenant: Any) -> None:
    listed = page(reader)
    with tenant_scope(tenant.pk):
        documents = list(RuleVersion.objects.values_list("kind", "name"))
    assert {kind for kind, _name in documents} == set(RuleKind.values)
    for kind, name in documents:
        assert f"/t/horizonte/rules/{kind}/{name}/" in listed
        assert "Version 1" in page(reader, f"{kind}/{name}/")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "scoring/main/",
            ["Webinar attended", "Attended a webinar · within 60 days · each time", "+20", "cap 40"],
        ),
        ("scoring/main/", ["Unsubscribed", "for ever · only the first", "−30"]),
        ("scoring/main/", ["Viewed a page · within 14 days · once a day"]),
        ("grading/main/", ["Every lead starts at D.", "Company size is between 20 and 1,000", "±2"]),
        ("grading/main/", ["Our industries", "This list is still empty: the criterion says nothing yet."]),
        ("gates/main/", ["New or Nurture → MQL", "Score is 50 or more and grade is C or better"]),
        ("qualification/bant/", ["Qualification: BANT", "Budget", "required"]),
        ("reasons/main/", ["No budget", "Enrols in the sequence “Re-engagement”", "Competitor"]),
        ("clocks/main/", ["First contact", "1 working day", "50 %: warned"]),
        ("routing/main/", ["Every other lead", "Next in turn:", "0 leads shared out"]),
        (
            "sequence/re_engagement/",
            ["Sequence: Re-engagement", "E-mail: Whenever the time is right", "Wait 14 days"],
        ),
    ],
)
def test_rules_read_in_words(reader: Client, path: str, words: list[str]) -> None:
    text = page(reader, path)
    for word in words:
        assert word in text


def test_versions_are_listed_with_their_status_and_can_be_read(reader: Client, tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        publish_rules(
            kind=RuleKind.SCORING, document={"rules": [make_rule(label="Second")], "model_cap": "90"}
        )
        third = {"rules": [make_rule(label="Third")], "model_cap": None}
        save_draft(kind=RuleKind.SCORING, document=third, by=None, now=NOW)
    published = page(reader, "scoring/main/")
    assert "Second" in published
    assert "never above 90" in published
    assert all(word in published for word in ("Version 1", "Version 2", "Version 3", "Draft", "Archived"))
    assert "Third" in page(reader, "scoring/main/3/")
    assert "This is a draft" in page(reader, "scoring/main/3/")
    assert "This version no longer decides" in page(reader, "scoring/main/1/")


def test_going_over_all_leads_is_shown_while_it_lasts(reader: Client, tenant: Any) -> None:
    with tenant_scope(tenant.pk):
        make_lead()
    assert "Going over all leads" not in page(reader, "scoring/main/")
    with tenant_scope(tenant.pk):
        publish_rules(kind=RuleKind.SCORING, document={"rules": [], "model_cap": None})
    assert "Going over all leads" in page(reader, "scoring/main/")


@pytest.mark.parametrize("path", ["scoring/other/", "nothing/main/", "scoring/main/9/"])
def test_what_does_not_exist_is_not_found(reader: Client, path: str) -> None:
    assert reader.get(f"/t/horizonte/rules/{path}").status_code == 404


def test_another_tenants_rules_are_not_found(reader: Client, other_tenant: Any) -> None:
    assert reader.get("/t/outra/rules/").status_code == 404
