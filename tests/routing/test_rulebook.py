"""Routing rules and clocks as their page tells them."""

from typing import Any

from leads.models import RuleKind
from routing.rulebook import week_in_words
from tenancy.models import Membership, Role
from tests.builders import make_member, publish_rules


def page(client: Any, tenant: Any, kind: str) -> str:
    reader = Membership.objects.get(roles__contains=[Role.ADMIN]).user
    reader.language = "en"
    reader.save()
    client.force_login(reader)
    answer = client.get(f"/t/{tenant.slug}/rules/{kind}/main/")
    assert answer.status_code == 200
    text: str = answer.content.decode()
    return text


def test_routing_rules_read_with_their_conditions_targets_and_pools(
    in_tenant: Any, tenant: Any, client: Any
) -> None:
    ana = make_member(name="Ana Lima")
    rule = {
        "id": "large",
        "label": "Large companies",
        "function": "sdr",
        "when": {"fact": "company_size", "op": "gte", "value": 500},
        "to": {"member": ana.pk},
    }
    fallback = {"sdr": "sdr-fallback", "sales": "sales-fallback"}
    publish_rules(kind=RuleKind.ROUTING, document={"rules": [rule], "fallback": fallback})
    text = page(client, tenant, "routing")
    assert "Large companies" in text
    assert "Company size is 500 or more" in text
    assert "Ana Lima" in text
    assert "While nobody has the role, the administrators stand in." in text


def test_clocks_read_with_their_times_shares_and_hours(in_tenant: Any, tenant: Any, client: Any) -> None:
    text = page(client, tenant, "clocks")
    assert "1 working hour" in text
    assert "150 %: offered to the next person" in text
    assert "Mon–Fri" in text
    assert "09:00–18:00" in text


def test_days_with_equal_hours_are_told_together() -> None:
    morning, day = ((480, 720),), ((480, 720), (810, 1080))
    assert week_in_words((day, day, morning, day, (), morning, ())) == [
        ("Mon–Tue", "08:00–12:00, 13:30–18:00"),
        ("Wed", "08:00–12:00"),
        ("Thu", "08:00–12:00, 13:30–18:00"),
        ("Sat", "08:00–12:00"),
    ]
