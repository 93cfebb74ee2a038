"""Hosted forms: built by marketing, put on the sites they name and no others, and what came of what was sent."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.leads.sent_forms import fields_of

if TYPE_CHECKING:
    from leads.models import CaptureForm
    from tenancy.models import Membership, Tenant

SITE = "https://www.empresa.com.br"
STRANGE = "https://evil.test"
PAGE = f"{SITE}/erp/?utm_source=x#top"


@pytest.fixture
def people(tenant: Tenant, other_tenant: Tenant) -> dict[str, Membership]:
    """One member of each role."""
    from tenancy.models import Role
    from tenancy.scope import tenant_scope
    from tests.builders import make_member

    with tenant_scope(tenant.pk):
        return {role.value: make_member(role=role) for role in Role}


@pytest.fixture
def sign_in() -> Callable[[Membership], Client]:
    def start(member: Membership) -> Client:
        client = Client(headers={"accept-language": "en"})
        assert member.user is not None
        client.force_login(member.user)
        return client

    return start


def contact_form(tenant: Tenant, **changes: Any) -> CaptureForm:
    """The form that asks to be called, with its document changed."""
    from leads.models import CaptureForm
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant.pk):
        form: CaptureForm = CaptureForm.objects.get(key="contact")
        form.document = form.document | changes
        form.save()
    return form


def stranger(**headers: str) -> Client:
    return Client(enforce_csrf_checks=True, headers={"accept-language": "en"} | headers)


def test_marketing_builds_a_form_that_is_what_visitors_see(
    tenant: Tenant, people: dict[str, Membership], sign_in: Callable[[Membership], Client]
) -> None:
    from leads.custom_fields import make_field
    from leads.models import CaptureForm
    from tenancy.models import AuditEntry
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant.pk):
        make_field(
            name="erp",
            label="ERP",
            type="text",
            choices=["SAP", "Totvs", "Other"],
            by=None,
            now=timezone.now(),
        )
    browser = sign_in(people["marketing"])
    forms = f"/t/{tenant.slug}/forms/"
    sent = fields_of(browser.get(f"{forms}new/").content.decode(), form_id="form-builder")
    assert (sent["row"], sent["f0-name"]) == (["f0"], ["email"])
    sent |= {
        "name": ["ERP guide"],
        "kind": ["content"],
        "language": ["en"],
        "title.en": ["Get the guide"],
        # The order in which rows are sent is the order of the form.
        "row": ["n1", "f0"],
        "n1-name": ["custom.erp"],
        "n1-label.en": ["Which ERP?"],
        "n1-help.en": ["The one in use today"],
        "n1-choices": ["SAP\nTotvs"],
        "f0-required": [],
        "c0-purpose": ["marketing"],
        "c0-text.en": ["Send me news"],
        "redirect": ["ftp://x.test"],
        "origins": [f"{SITE}/\nhttps://empresa.com.br"],
        "default-origin": ["Site"],
    }
    refused = browser.post(f"{forms}new/", sent)
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "begins with https://" in page
    assert 'value="Which ERP?"' in page
    sent["redirect"] = [""]
    assert "require it: without one there is no lead" in browser.post(f"{forms}new/", sent).content.decode()
    sent["f0-required"] = ["on"]
    assert browser.post(f"{forms}new/", sent).status_code == 302
    with tenant_scope(tenant.pk):
        form: CaptureForm = CaptureForm.objects.get(key="erp-guide")
    assert [each["name"] for each in form.document["fields"]] == ["custom.erp", "email"]
    assert form.document["origins"] == [SITE, "https://empresa.com.br"]
    public, own = f"/f/{form.public_id}/", f"{forms}{form.pk}/"
    assert stranger().get(public).status_code == 404, "closed until it is opened"
    browser.post(f"{own}open/", {"open": "1"})
    seen = stranger(**{"accept-language": "pt-BR"}).get(public).content.decode()
    assert seen.index("Which ERP?") < seen.index("E-mail")
    assert '<option value="Totvs">' in seen
    assert '<option value="Other">' not in seen
    assert "The one in use today" in seen
    assert 'lang="en"' in seen

    # The words of a consent change, and so does their version; who comes second is told.
    edited = fields_of(browser.get(f"{own}edit/").content.decode(), form_id="form-builder")
    changed = edited | {"c0-text.en": ["Send me news and offers"]}
    assert browser.post(f"{own}edit/", changed).status_code == 302
    late = browser.post(f"{own}edit/", edited | {"name": ["Mine"]})
    assert late.status_code == 422
    assert "Somebody else saved this form" in late.content.decode()
    with tenant_scope(tenant.pk):
        form.refresh_from_db()
        assert form.name == "ERP guide"
        assert [(each["version"], each["text"]) for each in form.document["consents"]] == [
            ("2", {"en": "Send me news and offers"})
        ]
    preview = browser.post(f"{forms}preview/", edited | {"title.en": [""]}).content.decode()
    assert "Which ERP?" in preview
    assert "inert" in preview
    assert browser.post(f"{own}duplicate/").status_code == 302
    with tenant_scope(tenant.pk):
        copy = CaptureForm.objects.get(key="erp-guide-copy")
        assert (copy.is_open, copy.document) == (False, form.document)
        assert copy.public_id != form.public_id
        acts = list(
            AuditEntry.objects.filter(act__startswith="form.").order_by("pk").values_list("act", flat=True)
        )
    assert acts == ["form.made", "form.opened", "form.changed", "form.duplicated"]
    embed = browser.get(f"{own}embed/").content.decode()
    assert f"js/embed.js&quot; data-form=&quot;{form.public_id}" in embed
    assert "custom.erp" in embed
    listed = browser.get(forms).content.decode()
    assert "2 forms" not in listed
    assert "ERP guide (copy)" in listed
    assert sign_in(people["manager"]).get(f"{own}edit/").status_code == 403


def test_only_the_sites_of_a_form_show_it_and_send_it(tenant: Tenant) -> None:
    from leads.models import Submission
    from tenancy.scope import tenant_scope

    form = contact_form(tenant, origins=[SITE], redirect="https://www.empresa.com.br/obrigado?x=1")
    path = f"/f/{form.public_id}/"
    shown = stranger().get(f"{path}?embed=1&utm_source=Google&page={SITE}/erp")
    policy = shown["Content-Security-Policy"]
    assert f"frame-ancestors {SITE};" in f"{policy};"
    assert f"form-action 'self' {SITE};" in f"{policy};"
    assert "X-Frame-Options" not in shown
    assert 'value="Google"' in shown.content.decode()
    contact_form(tenant, origins=[])
    closed = stranger().get(path)
    assert "frame-ancestors 'none'" in closed["Content-Security-Policy"]
    assert closed["X-Frame-Options"] == "DENY"

    contact_form(tenant, origins=[SITE])
    typed = {"first_name": "Rita", "email": "rita@moinho.com.br", "phone": "+5511988887777"}
    for origin in (STRANGE, "null", f"{SITE}.evil.test", "http://www.empresa.com.br"):
        assert stranger(origin=origin).post(path, typed).status_code == 403
    plain = stranger(origin=SITE, referer=PAGE).post(path, typed | {"utm_campaign": "erp", "sending": "a"})
    assert (plain.status_code, plain["Location"]) == (302, "https://www.empresa.com.br/obrigado?x=1")
    framed = stranger(origin="http://testserver").post(f"{path}?embed=1", typed | {"page": f"{STRANGE}/x"})
    assert framed["Location"] == f"{path}thanks/?embed=1"
    assert (
        'data-redirect="https://www.empresa.com.br/obrigado?x=1"'
        in stranger().get(framed["Location"]).content.decode()
    )
    with tenant_scope(tenant.pk):
        first, second = Submission.objects.order_by("pk")
    assert (first.payload["campaign"], first.payload["landing_page"]) == ("erp", f"{SITE}/erp/")
    assert second.payload["landing_page"] == f"http://testserver{path}", (
        "a page of another site is not believed"
    )


def test_programs_on_allowed_sites_send_json_and_others_are_refused(tenant: Tenant) -> None:
    from leads.models import Submission
    from tenancy.scope import tenant_scope

    form = contact_form(tenant, origins=[SITE])
    path = f"/f/{form.public_id}/submissions/"
    body = {
        "fields": {"first_name": "Rita", "email": "rita@moinho.com.br", "phone": "+5511988887777"},
        "consents": ["marketing"],
        "utm_source": "Google",
        "page": PAGE,
        "referrer": "https://www.google.com/search?q=erp",
    }

    def post(given: Any, **headers: str) -> Any:
        kind = headers.pop("kind", "application/json")
        return stranger(**headers).post(path, json.dumps(given), content_type=kind)

    asked = stranger(origin=SITE).options(path, headers={"access-control-request-method": "POST"})
    assert (asked.status_code, asked["Access-Control-Allow-Origin"]) == (204, SITE)
    assert "Origin" in asked["Vary"]
    assert asked["Access-Control-Allow-Methods"] == "POST"
    assert "Access-Control-Allow-Credentials" not in asked
    for origin in (STRANGE, "null", ""):
        headers = {"origin": origin} if origin else {}
        for refused in (stranger(**headers).options(path), post(body, **headers)):
            assert refused.status_code == 403
            assert refused["Content-Type"] == "application/problem+json"
            assert "Access-Control-Allow-Origin" not in refused
            assert "Origin" in refused["Vary"]
    assert post(body, origin=SITE, kind="text/plain").status_code == 415
    wrong = body | {"fields": {"email": "rita@x", "plants": 3}, "consents": ["spam"], "stage": "sql"}
    assert [each["field"] for each in post(wrong, origin=SITE).json()["errors"]] == ["stage"]
    wrong.pop("stage")
    assert [each["field"] for each in post(wrong, origin=SITE).json()["errors"]] == ["plants", "consents"]
    bad_mail = body | {"fields": body["fields"] | {"email": "rita@x"}}  # type: ignore[operator]
    answer = post(bad_mail, origin=SITE)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (400, SITE)
    assert [each["field"] for each in answer.json()["errors"]] == ["email"]
    with tenant_scope(tenant.pk):
        assert not Submission.objects.exists(), "nothing of all this is kept"

    taken = post(body, origin=SITE)
    assert (taken.status_code, taken.json()["state"]) == (202, "received")
    with tenant_scope(tenant.pk):
        [kept] = Submission.objects.all()
    assert (kept.payload["origin"], kept.payload["landing_page"]) == ("Google", f"{SITE}/erp/")
    assert kept.payload["event"]["properties"]["referrer"] == "https://www.google.com/search"
    assert kept.payload["proof"]["text_version"] == "marketing 1"
    assert post(body | {"website": "x"}, origin=SITE).status_code == 202
    with tenant_scope(tenant.pk):
        assert Submission.objects.filter(is_spam=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_submissions_are_listed_with_what_came_of_them(
    tenant: Tenant, people: dict[str, Membership], sign_in: Callable[[Membership], Client]
) -> None:
    from core.due import sweep
    from leads.models import Submission
    from tenancy.models import AuditEntry
    from tenancy.scope import tenant_scope
    from tests.builders import make_lead

    form = contact_form(tenant)
    path, own = f"/f/{form.public_id}/", f"/t/{tenant.slug}/forms/{form.pk}/"
    with tenant_scope(tenant.pk):
        make_lead(email="known@moinho.com.br", external_id="k")
    base = {"first_name": "=cmd|'/c calc'!A1", "phone": "+5511988887777"}
    for number, name in enumerate(("new", "known", "spam")):
        extra = {"website": "http://x.test"} if name == "spam" else {}
        stranger().post(path, base | {"email": f"{name}@moinho.com.br", "sending": str(number)} | extra)
    with tenant_scope(tenant.pk):
        # As if the field had been retired after it was sent.
        Submission.objects.create(
            source="form", form=form, payload={"email": "refused@moinho.com.br", "custom": {"gone": "1"}}
        )
        spam = Submission.objects.get(is_spam=True)
        refused = Submission.objects.get(payload__email="refused@moinho.com.br")
        from core.due import schedule

        schedule(kind="submission.process", due={refused.pk: timezone.now()})
    sweep(now=timezone.now() + timedelta(seconds=1))
    browser = sign_in(people["marketing"])
    page = browser.get(own).content.decode()
    for words in ("New lead 1", "Known lead 1", "Refused 1", "Spam 1", "3 submissions in 30 days"):
        assert words in page
    narrowed = browser.get(f"{own}?fate=refused&days=7").content.decode()
    assert "refused@moinho.com.br" in narrowed
    assert "new@moinho.com.br" not in narrowed
    assert "gone" in browser.get(f"{own}submissions/{refused.pk}/").content.decode()
    found = browser.get(f"{own}?q=KNOWN@").content.decode()
    assert "known@moinho.com.br" in found
    assert "new@moinho.com.br" not in found
    file = browser.post(f"{own}export/?fate=new")
    [head, row] = csv.reader(io.StringIO(file.content.decode("utf-8-sig")))
    assert row[head.index("email")] == "new@moinho.com.br"
    assert row[head.index("first_name")].startswith("'=cmd")
    assert sign_in(people["sdr"]).get(own).status_code == 403
    with tenant_scope(tenant.pk):
        assert AuditEntry.objects.get(act="form.exported").detail["rows"] == 1

    assert browser.post(f"{own}submissions/{spam.pk}/not-spam/").status_code == 302
    sweep(now=timezone.now() + timedelta(seconds=1))
    with tenant_scope(tenant.pk):
        spam.refresh_from_db()
        assert (spam.state, spam.lead.email) == ("processed", "spam@moinho.com.br")
    assert browser.post(f"{own}submissions/{spam.pk}/not-spam/").status_code == 404
