"""The tenant's own fields: the page makes, changes and retires them, and says what they hold and who reads them."""

from typing import Any

import pytest
from django.test import Client

from leads.capture.fields import read_submission
from leads.capture.rules import open_rules
from leads.conditions.builder import builder_vocabulary
from leads.custom_fields import (
    COUNTED,
    FieldInUse,
    FieldNameTaken,
    InvalidField,
    list_fields,
    make_field,
    retire_field,
)
from leads.models import CaptureForm, CustomField, CustomValue, Lead, RuleKind
from tenancy.models import AuditEntry, Membership, Role, Tenant
from tenancy.scope import tenant_scope
from tests.builders import make_lead, make_rule, publish_rules
from tests.conftest import NOW

HOME = "/t/horizonte/settings/fields/"


@pytest.fixture
def as_admin(tenant: Tenant) -> Client:
    """The administrator's browser, in English."""
    with tenant_scope(tenant.pk):
        user = Membership.objects.select_related("user").get(roles=[Role.ADMIN]).user
    assert user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def make(name: str = "plants", label: str = "Plants", **parts: Any) -> CustomField:
    return make_field(
        name=name, label=label, by=None, now=NOW, **({"type": "integer", "choices": []} | parts)
    )


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_a_field_is_made_on_the_page_with_a_name_of_its_label(as_admin: Client, tenant: Tenant) -> None:
    assert "Make the first field" in words(as_admin.get(HOME))
    answer = as_admin.post(f"{HOME}new/", {"label": "Número de plantas", "name": "", "type": "integer"})
    assert answer["Location"] == HOME
    page = words(as_admin.get(HOME))
    assert "Número de plantas" in page
    assert "custom.numero_de_plantas" in page
    with tenant_scope(tenant.pk):
        made = AuditEntry.objects.get(act="field.made")
        assert (made.subject, made.detail["name"], made.at.date()) == (
            "Número de plantas",
            "numero_de_plantas",
            CustomField.objects.get().created_at.date(),
        )


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"label": "", "type": "text"}, "This field is required"),
        ({"label": "Plants", "name": "Number of plants", "type": "text"}, "Use lower-case letters"),
        ({"label": "Plants", "type": "money"}, "not one of the available choices"),
        ({"label": "Plants", "type": "integer", "choices": "a\nb"}, "Only a text has choices"),
        ({"label": "Known", "type": "text"}, "There is a field “known” already: Known"),
    ],
)
def test_a_wrong_field_is_refused_in_words_and_keeps_what_was_typed(
    as_admin: Client, tenant: Tenant, sent: dict[str, str], said: str
) -> None:
    with tenant_scope(tenant.pk):
        make("known", "Known")
    answer = as_admin.post(f"{HOME}new/", sent)
    assert answer.status_code == 422
    assert said in words(answer)
    with tenant_scope(tenant.pk):
        assert CustomField.objects.count() == 1


def test_a_text_with_choices_takes_nothing_else_and_spells_them_as_the_list_does(
    in_tenant: Any, tenant: Tenant
) -> None:
    make("size", "Size", type="text", choices=["Small ", "Large", "", "small"])
    assert CustomField.objects.get().choices == ["Small", "Large"]
    rules = open_rules(tenant=tenant)
    taken = read_submission(document={"name": "Ana", "custom": {"size": "LARGE"}}, rules=rules, now=NOW)
    assert taken.lead.custom == {"size": "Large"}
    refused = read_submission(document={"name": "Ana", "custom": {"size": "Huge"}}, rules=rules, now=NOW)
    assert [(each.field, each.code) for each in refused.problems] == [("custom.size", "choice")]
    offered = [fact for fact in builder_vocabulary()["facts"] if fact["key"] == "custom.size"]
    assert [choice["value"] for choice in offered[0]["choices"]] == ["Small", "Large"]


def test_the_list_says_how_many_leads_carry_a_value_and_which_rules_ask(in_tenant: Any) -> None:
    field = make()
    other = make("founded", "Founded", type="date")
    leads = [make_lead() for _number in range(3)]
    CustomValue.objects.bulk_create(
        CustomValue(lead=lead, field=field, integer_value=place) for place, lead in enumerate(leads)
    )
    when = {"fact": "custom.plants", "op": "gt", "value": 2}
    publish_rules(
        kind=RuleKind.GATES,
        document={"gates": [{"id": "g", "label": "Plants", "from": ["new"], "to": "mql", "when": when}]},
    )
    uses = {row.field.pk: row for row in list_fields()}
    assert (uses[field.pk].count, [use.kind for use in uses[field.pk].uses]) == (3, ["gates"])
    assert (uses[other.pk].count, uses[other.pk].uses) == (0, [])


def test_leads_with_a_value_are_counted_to_a_thousand(in_tenant: Any) -> None:
    field = make()
    leads = Lead.objects.bulk_create(Lead(email=f"a{number}@b.test") for number in range(COUNTED + 5))
    CustomValue.objects.bulk_create(CustomValue(lead=lead, field=field, integer_value=1) for lead in leads)
    assert [(row.count, row.is_counted) for row in list_fields()] == [(COUNTED + 1, False)]


def test_a_field_that_rules_read_is_retired_and_brought_back(as_admin: Client, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        field = make()
        rule = make_rule(event=None, when={"fact": "custom.plants", "op": "gt", "value": 2})
        publish_rules(kind=RuleKind.SCORING, document={"rules": [rule]})
    page = words(as_admin.get(f"{HOME}{field.pk}/"))
    assert "Scoring model" in page
    assert "the rules above go on reading that" in page
    as_admin.post(f"{HOME}{field.pk}/retire/")
    with tenant_scope(tenant.pk):
        assert "plants" not in open_rules(tenant=tenant).custom
    assert "retired" in words(as_admin.get(HOME))
    as_admin.post(f"{HOME}{field.pk}/back/")
    with tenant_scope(tenant.pk):
        assert "plants" in open_rules(tenant=tenant).custom
        acts = list(
            AuditEntry.objects.filter(act__startswith="field.").order_by("id").values_list("act", flat=True)
        )
        assert acts == ["field.made", "field.retired", "field.brought_back"]


def test_a_field_that_an_open_form_asks_for_is_not_retired(as_admin: Client, tenant: Tenant) -> None:
    with tenant_scope(tenant.pk):
        field = make()
        form = CaptureForm.objects.order_by("pk").first()
        assert form is not None
        form.document["fields"].append({"name": "custom.plants", "label": "Plants"})
        form.save()
        with pytest.raises(FieldInUse, match=form.name):
            retire_field(field=field, by=None, now=NOW)
    page = words(as_admin.get(f"{HOME}{field.pk}/"))
    assert "A form asks for it." in page
    as_admin.post(f"{HOME}{field.pk}/retire/")
    with tenant_scope(tenant.pk):
        assert CustomField.objects.get().retired_at is None
        form.is_open = False
        form.save()
        retire_field(field=CustomField.objects.get(), by=None, now=NOW)
        assert CustomField.objects.get().retired_at == NOW


def test_a_label_changes_and_the_name_of_a_retired_field_stays_taken(
    as_admin: Client, tenant: Tenant
) -> None:
    with tenant_scope(tenant.pk):
        field = make()
    as_admin.post(f"{HOME}{field.pk}/", {"label": "Factories", "name": "other", "type": "text"})
    with tenant_scope(tenant.pk):
        field.refresh_from_db()
        assert (field.label, field.name, field.type) == ("Factories", "plants", "integer")
        retire_field(field=field, by=None, now=NOW)
        with pytest.raises(FieldNameTaken, match="Bring it back"):
            make()
        with pytest.raises(InvalidField):
            make("x" * 64)


def test_fields_of_another_tenant_are_not_there(as_admin: Client, other_tenant: Tenant) -> None:
    with tenant_scope(other_tenant.pk):
        field = make()
    assert as_admin.get(f"{HOME}{field.pk}/").status_code == 404
    assert "Plants" not in words(as_admin.get(HOME))
