"""What leads are written: in which language, with which of their own words, and what those can't do."""

from email.message import EmailMessage
from typing import Any

import pytest

from core.due import sweep_tenant
from leads.models import Company, CustomField, Lead
from nurturing.models import Message
from nurturing.sending import compose
from nurturing.services import enroll_lead
from tenancy.models import Membership, Role
from tests.builders import make_lead, make_member
from tests.conftest import NOW
from tests.nurturing.sequences import email, publish_sequence

HOSTILE = (
    "<script>alert(1)</script> **bold** [click](http://evil.test) ![x](http://evil.test/p.png) `code` # _it_"
)


@pytest.fixture
def marketing(in_tenant: Any) -> Membership:
    return make_member(role=Role.MARKETING)


def written(marketing: Membership, *, subject: str = "Hello", body: str, **lead: Any) -> Message:
    """The message that a lead gets by a step with this text."""
    publish_sequence(email(subject=subject, body=body))
    person: Lead = make_lead(stage="nurture", language="en", **lead)
    enroll_lead(lead_id=person.pk, sequence="trial", by=marketing, now=NOW)
    sweep_tenant(tenant_id=person.tenant_id, now=NOW)
    found: Message = Message.objects.get(lead=person)
    return found


def mail_of(message: Message) -> Any:
    return compose(message).message()


def test_a_message_says_what_is_known_of_the_lead(marketing: Membership) -> None:
    message = written(
        marketing,
        subject="{{ lead.first_name }} of {{ company.name }}",
        body="Hello {{ lead.name }}, {{ lead.job_title | default: 'you' }}.",
        first_name="Ana",
        name="Ana Lima",
        company=Company.objects.create(name="Açúcar & Cia"),
    )
    assert message.subject == "Ana of Açúcar & Cia"
    assert message.body_text.startswith("Hello Ana Lima, you.\n")
    assert "<p style=" in message.body_html
    assert "Hello Ana Lima, you." in message.body_html


def test_own_fields_are_written_as_the_reader_writes_them(marketing: Membership) -> None:
    fields = [
        CustomField.objects.create(name=name, label=name, type=kind)
        for name, kind in (("plants", "integer"), ("share", "decimal"))
    ]
    publish_sequence(
        {
            "id": "a",
            "kind": "email",
            "template": {
                "pt-br": {"subject": "Oi", "body_markdown": "{{ custom.plants }} e {{ custom.share }}"}
            },
        }
    )
    lead = make_lead(stage="nurture", language="pt-BR")
    lead.custom_values.create(field=fields[0], integer_value=3)
    lead.custom_values.create(field=fields[1], decimal_value=2_500_000)
    enroll_lead(lead_id=lead.pk, sequence="trial", by=marketing, now=NOW)
    sweep_tenant(tenant_id=lead.tenant_id, now=NOW)
    assert Message.objects.get().body_text.startswith("3 e 2,5\n")


@pytest.mark.parametrize(
    ("language", "spoken"),
    [("en", "en"), ("en-GB", "en"), ("pt", "pt-br"), ("pt_BR", "pt-br"), ("de", "pt-br"), (None, "pt-br")],
)
def test_a_message_is_in_the_leads_language_else_in_the_tenants(
    marketing: Membership, language: str | None, spoken: str
) -> None:
    lead = make_lead(stage="nurture", language=language)
    enroll_lead(lead_id=lead.pk, sequence="re_engagement", by=marketing, now=NOW)
    sweep_tenant(tenant_id=lead.tenant_id, now=NOW)
    message = Message.objects.get()
    assert message.language == spoken
    assert {"en": "Whenever", "pt-br": "Quando"}[spoken].lower() in message.subject.lower()
    assert f'<html lang="{spoken}"' in message.body_html


def test_a_hostile_name_is_shown_and_does_nothing_in_the_body(marketing: Membership) -> None:
    message = written(marketing, body="# Hello {{ lead.name }}\n\n{{ lead.name }}", name=HOSTILE)
    assert "<script" not in message.body_html
    assert "evil.test" in message.body_html
    for made in ("<strong", "<em", "<img", "<code", 'href="http://evil.test'):
        assert made not in message.body_html
    assert HOSTILE in message.body_text


def test_a_name_with_line_ends_stays_in_its_header(marketing: Membership) -> None:
    name = "Ana\r\nBcc: everyone@evil.test\u2028X-Evil: yes"
    message = written(marketing, subject="For {{ lead.name }}", body="Hello", name=name)
    assert message.subject == "For Ana Bcc: everyone@evil.test X-Evil: yes"
    mail = mail_of(message)
    assert isinstance(mail["Subject"], str)
    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None


def test_a_senders_name_with_line_ends_stays_in_its_header(marketing: Membership) -> None:
    message = written(marketing, body="Hello")
    message.from_name = "Casa, Outra"
    mail = mail_of(message)
    assert mail["From"].startswith('"Casa, Outra" <')


def test_every_message_can_be_unsubscribed_from_by_link_and_by_header(marketing: Membership) -> None:
    message = written(marketing, body="Hello")
    address = f"http://localhost:8000/u/{message.token}/"
    assert f'href="{address}"' in message.body_html
    assert address in message.body_text
    mail = mail_of(message)
    assert mail["List-Unsubscribe"] == f"<{address}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_message_id_is_the_messages_own_and_stays(marketing: Membership) -> None:
    message = written(marketing, body="Hello")
    assert (
        mail_of(message)["Message-ID"] == mail_of(Message.objects.get())["Message-ID"] == message.message_id
    )


def test_answers_go_to_whoever_is_responsible(marketing: Membership) -> None:
    sdr = make_member(role=Role.SDR)
    message = written(marketing, body="Hello", standing={"owner_sdr": sdr})
    assert mail_of(message)["Reply-To"] == sdr.email


def test_links_lead_only_to_the_web_to_mail_and_to_phones(marketing: Membership) -> None:
    body = "[a](javascript:alert(1)) [b](https://a.test/?q=1&r=2) [c](mailto:a@b.test) [d](data:text/html,x) <b>raw</b>"
    html = written(marketing, body=body).body_html
    assert "https://a.test/?q=1&amp;r=2" in html
    assert "mailto:a@b.test" in html
    for refused in ('href="javascript', 'href="data', "<b>"):
        assert refused not in html


def test_a_value_in_an_address_is_encoded_and_gives_no_scheme(marketing: Membership) -> None:
    body = (
        "[form](https://a.test/?name={{ lead.name }}) [evil]({{ lead.job_title }}) "
        '[out]({{ unsubscribe_url }}) ![logo](https://a.test/{{ lead.name }}.png "{{ lead.name }}")'
    )
    message = written(marketing, body=body, name='A"b & c', job_title="javascript:alert(1)")
    assert 'href="https://a.test/?name=A%22b%20%26%20c"' in message.body_html
    assert 'href="javascript%3Aalert%281%29"' in message.body_html
    assert message.body_html.count(f'href="http://localhost:8000/u/{message.token}/"') == 2
    assert 'src="https://a.test/A%22b%20%26%20c.png"' in message.body_html
    assert 'title="A&quot;b &amp; c"' in message.body_html
    assert "form (https://a.test/?name=A%22b%20%26%20c)" in message.body_text


def test_a_value_that_looks_like_another_messages_place_stays_a_value(marketing: Membership) -> None:
    from nurturing.slots import slot

    message = written(
        marketing, body="Hello {{ lead.name }}, {{ lead.job_title }}", name=slot(1), job_title="CEO"
    )
    assert f"Hello {slot(1)}, CEO" in message.body_text


def test_the_text_part_reads_well(marketing: Membership) -> None:
    body = (
        "# Title\n\nFirst *line*\nand [a link](https://a.test/).\n\n- one\n- two\n  more\n\n1. **first**\n2. second\n\n"
        "> said\n\nBye,\\\n{{ sender.name }}"
    )
    text = written(marketing, body=body).body_text
    assert text.split("\n\n-- \n")[0] == (
        "Title\n\nFirst line and a link (https://a.test/).\n\n- one\n- two more\n\n1. first\n2. second\n\n> said\n\n"
        "Bye,\nHorizonte SaaS"
    )


def test_a_message_has_a_text_and_an_html_part(marketing: Membership) -> None:
    mail = mail_of(written(marketing, body="Hello"))
    assert not isinstance(mail, EmailMessage) or mail.is_multipart()
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
