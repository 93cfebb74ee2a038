"""Reading one lead: normal forms, limits, and problems that name the field and say how to mend it."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leads.capture.columns import DateFormat
from leads.capture.event_fields import read_event
from leads.capture.fields import LEAD_FIELDS, TEXT_LIMITS, read_row, read_submission
from leads.capture.inputs import ConsentInput, EventInput, IntakeRules, LeadInput, Reading
from leads.capture.scalars import find_unkeepable
from leads.capture.values import (
    email_kind,
    fold_text,
    normalise_cnpj,
    normalise_country,
    normalise_domain,
    normalise_email,
    normalise_language,
    normalise_phone,
    normalise_postal_code,
    normalise_seniority,
    normalise_time_zone,
)

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
ZONE = ZoneInfo("America/Sao_Paulo")
RULES = IntakeRules(
    country="BR",
    zone=ZONE,
    custom={"plants": "integer", "area": "text", "ratio": "decimal", "since": "date"},
    source="api",
    proof={"ip": "192.0.2.1"},
)
IMPORT_RULES = IntakeRules(country="BR", zone=ZONE, custom=RULES.custom, is_import=True)


def submit(document: Any, rules: IntakeRules = RULES) -> Reading:
    return read_submission(document=document, rules=rules, now=NOW)


def lead_of(**fields: Any) -> LeadInput:
    lead, problems = submit(fields)
    assert problems == []
    return lead


def problem_of(**fields: Any) -> tuple[str, str]:
    problems = submit(fields).problems
    assert len(problems) == 1, problems
    assert str(problems[0].message)
    return problems[0].field, problems[0].code


# A whole submission


def test_the_submission_of_the_contract_is_read_whole() -> None:
    lead = lead_of(
        email=" Ana@Empresa.COM.br ",
        external_id="crm-17",
        first_name="Ana",
        phone="+55 19 99888-7766",
        country="BR",
        company={"name": "Empresa SA", "size": 180, "domain": "empresa.com.br"},
        origin="Webinar",
        campaign="erp-2026",
        custom={"plants": 3},
        tags=["feira"],
        consent=[{"purpose": "marketing", "basis": "consent", "text": "v3"}],
        event={"type": "form_submitted", "properties": {"kind": "demo"}},
    )
    assert lead == LeadInput(
        external_id="crm-17",
        email="ana@empresa.com.br",
        email_kind="business",
        first_name="Ana",
        name="Ana",
        name_key="ana",
        is_name_partial=True,
        phone="+5519998887766",
        country="BR",
        company="Empresa SA",
        company_key="empresa sa",
        company_size=180,
        company_domain="empresa.com.br",
        origin="webinar",
        origin_label="Webinar",
        campaign="erp-2026",
        custom={"plants": 3},
        tags=("feira",),
        consent=(ConsentInput("marketing", "consent", "v3"),),
        events=(EventInput("form_submitted", {"kind": "demo"}, None, None),),
        source="api",
        proof={"ip": "192.0.2.1"},
        received_at=NOW,
    )


@pytest.mark.parametrize(
    "company",
    [
        {"company": {"name": "Empresa SA", "size": 180}},
        {"company": "Empresa SA", "company_size": 180},
        {"company": {"name": "Empresa SA"}, "company_size": "180"},
    ],
)
def test_a_company_is_nested_flat_or_a_text(company: dict[str, Any]) -> None:
    lead = lead_of(**company)
    assert (lead.company, lead.company_size) == ("Empresa SA", 180)


def test_a_blank_says_nothing() -> None:
    blanks = dict.fromkeys(
        [name for name in LEAD_FIELDS if name not in {"stage", "owner_sdr", "owner_sales"}], "  "
    ) | {"custom.plants": "", "custom.area": " ", "custom.ratio": "", "custom.since": ""}
    assert submit(blanks) == (LeadInput(source="api", proof=RULES.proof, received_at=NOW), [])
    nulls = dict.fromkeys(blanks) | {"custom": None, "event": None}
    assert submit(nulls) == submit({})
    assert submit({"company": {"name": None}, "custom": {}, "tags": [], "consent": []}) == submit({})


def test_names_are_composed_and_never_split() -> None:
    both = lead_of(first_name="Ana", last_name="Souza")
    assert (both.name, both.name_key, both.is_name_partial) == ("Ana Souza", "ana souza", False)
    only_last = lead_of(last_name="Souza")
    assert (only_last.name, only_last.is_name_partial) == ("Souza", True)
    whole = lead_of(name="Ana Souza", first_name="Ana")
    assert (whole.name, whole.first_name, whole.last_name, whole.is_name_partial) == (
        "Ana Souza",
        "Ana",
        None,
        False,
    )
    assert lead_of(name="Érico D'Ávila Jr.").name_key == "erico d avila jr"


def test_an_origin_has_a_key_and_the_spelling_seen() -> None:
    lead = lead_of(origin=" Paid-Search Ads ")
    assert (lead.origin, lead.origin_label) == ("paid_search_ads", "Paid-Search Ads")
    assert lead_of(origin="unknown").origin == "unknown"


def test_tags_come_as_a_list_or_apart_by_semicolons() -> None:
    assert lead_of(tags=" feira; vip ;;feira").tags == ("feira", "vip")
    assert lead_of(tags=["feira", "vip; novo"]).tags == ("feira", "vip", "novo")


def test_numbers_serve_as_texts() -> None:
    assert lead_of(external_id=17, postal_code=13083970).external_id == "17"


# Dates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24", datetime(2026, 11, 24, 3, tzinfo=UTC)),
        ("2026-11-24T10:00", datetime(2026, 11, 24, 13, tzinfo=UTC)),
        ("2026-11-24 10:00:30", datetime(2026, 11, 24, 13, 0, 30, tzinfo=UTC)),
        ("2026-11-24T10:00:00Z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24T10:00:00+02:00", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        # On that day the clock went from midnight to one.
        ("2018-11-04", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ],
)
def test_created_at_is_an_instant_or_local_midnight(text: str, expected: datetime) -> None:
    assert lead_of(created_at=text).created_at == expected


@pytest.mark.parametrize(
    "value", ["24/11/2026", "2026-13-01", "soon", "20261124", "1500-01-01", "9999-12-31", "x" * 99]
)
def test_what_is_no_iso_date_is_refused(value: str) -> None:
    assert problem_of(created_at=value) == ("created_at", "invalid")
    assert problem_of(custom={"since": value}) == ("custom.since", "invalid")


def test_a_file_has_the_format_of_its_column() -> None:
    rules = IntakeRules(
        country="BR",
        zone=ZONE,
        custom=RULES.custom,
        date_formats={"created_at": DateFormat.DMY, "custom.since": DateFormat.MDY},
    )
    lead, problems = read_row(
        values={"created_at": "01/02/2018 10:00", "custom.since": "1/2/18"}, rules=rules, now=NOW
    )
    assert problems == []
    assert lead.created_at == datetime(2018, 2, 1, 12, tzinfo=UTC)
    assert lead.custom == {"since": date(2018, 1, 2)}
    _lead, problems = read_row(values={"created_at": "2018-02-01"}, rules=rules, now=NOW)
    assert [(each.field, each.code) for each in problems] == [("created_at", "invalid")]
    assert "dmy" in str(problems[0].message)


def test_a_custom_date_of_an_instant_is_the_local_date() -> None:
    assert lead_of(custom={"since": "2026-11-24T01:00:00Z"}).custom == {"since": date(2026, 11, 23)}


# Numbers


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("plants", 3, 3),
        ("plants", "3", 3),
        ("plants", "-3", -3),
        ("plants", 3.0, 3),
        ("plants", "3.0", 3),
        ("plants", 2**63 - 1, 2**63 - 1),
        ("plants", "9007199254740993", 9007199254740993),
        ("ratio", 0.5, 500_000),
        ("ratio", "1,234.5", 1_234_500_000),
        ("ratio", "0.1234567", 123_457),
        ("area", 12.5, "12.5"),
    ],
)
def test_custom_numbers_are_exact(name: str, value: Any, expected: int | str) -> None:
    assert lead_of(custom={name: value}).custom == {name: expected}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("plants", "three", "invalid"),
        ("plants", 2.5, "invalid"),
        ("plants", True, "type"),
        ("plants", [1], "type"),
        ("plants", 2**63, "range"),
        pytest.param("plants", 10**5000, "range", id="plants-enormous"),
        ("plants", float("nan"), "range"),
        ("ratio", float("inf"), "range"),
        ("ratio", 1e300, "range"),
        ("ratio", "1e5", "invalid"),
        ("ratio", "1.234,5", "invalid"),
        ("area", {"a": 1}, "type"),
        ("area", True, "type"),
        ("area", "x" * 1001, "too_long"),
        ("since", 20260101, "type"),
    ],
)
def test_custom_values_of_a_wrong_kind_are_refused(name: str, value: Any, code: str) -> None:
    assert problem_of(custom={name: value}) == (f"custom.{name}", code)


def test_a_column_with_a_decimal_comma_is_read_with_it() -> None:
    rules = IntakeRules(
        country="BR", zone=ZONE, custom=RULES.custom, marks={"custom.ratio": ",", "company_size": ","}
    )
    lead, problems = read_row(
        values={"custom.ratio": "1.234,56", "company_size": "1.500"}, rules=rules, now=NOW
    )
    assert problems == []
    assert (lead.custom, lead.company_size) == ({"ratio": 1_234_560_000}, 1500)


def test_a_number_in_doubt_is_refused_rather_than_guessed() -> None:
    rules = IntakeRules(country="BR", zone=ZONE, marks={"company_size": None, "company_revenue": None})
    lead, problems = read_row(
        values={"company_size": "1.500", "company_revenue": "1500"}, rules=rules, now=NOW
    )
    assert [(each.field, each.code) for each in problems] == [("company_size", "ambiguous")]
    assert lead.company_revenue_minor == 150_000


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), ("180", 180), ("180.0", 180), (2**31 - 1, 2**31 - 1), ("1,500", 1500)]
)
def test_a_company_size_is_a_whole_number(value: Any, expected: int) -> None:
    assert lead_of(company_size=value).company_size == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [("51-200", "range"), ("51 – 200", "range"), ("500+", "range"), ("51 a 200", "range"), (-1, "range"), ("-1", "range"),
     (2**31, "range"), ("big", "invalid"), (1.5, "invalid"), (True, "type")],
)  # fmt: skip
def test_other_company_sizes_are_refused(value: Any, code: str) -> None:
    assert problem_of(company_size=value) == ("company_size", code)


@pytest.mark.parametrize(
    ("value", "minor"),
    [(8_000_000, 800_000_000), ("1234.565", 123_457), (0.1, 10), ("0.0", 0), ("1,000.50", 100_050)],
)
def test_revenue_is_kept_in_hundredths(value: Any, minor: int) -> None:
    assert lead_of(company_revenue=value).company_revenue_minor == minor


def test_a_negative_revenue_is_refused() -> None:
    assert problem_of(company={"revenue": -1}) == ("company.revenue", "range")


# Problems


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"e-mail": "a@b.co"}, ("e-mail", "unknown")),
        ({"custom.nope": 1}, ("custom.nope", "undefined")),
        ({"custom": {"nope": None}}, ("custom.nope", "undefined")),
        ({"custom": [1]}, ("custom", "type")),
        ({"company": {"nope": 1}}, ("company.nope", "unknown")),
        ({"company": ["x"]}, ("company", "type")),
        ({"company": {"size": "x"}}, ("company.size", "invalid")),
        ({"company": {"size": 1}, "company_size": 2}, ("company_size", "twice")),
        ({"email": "nobody"}, ("email", "invalid")),
        ({"email": ["a@b.co"]}, ("email", "type")),
        ({"name": "x\0y"}, ("name", "nul")),
        ({"email": "a\0@b.co"}, ("email", "nul")),
        ({"tags": ["a\0"]}, ("tags", "nul")),
        ({"name": "x\ud800"}, ("name", "characters")),
        ({"name": True}, ("name", "type")),
        ({"external_id": 10**30}, ("external_id", "type")),
        ({"phone": "1" * 41}, ("phone", "too_long")),
        ({"origin": "x" * 121}, ("origin", "too_long")),
        ({"tags": "x" * 81}, ("tags", "too_long")),
        ({"tags": ";".join(map(str, range(101)))}, ("tags", "too_many")),
        ({"country": "Atlantis"}, ("country", "invalid")),
        ({"language": "Elvish"}, ("language", "invalid")),
        ({"time_zone": "BRT"}, ("time_zone", "invalid")),
        ({"company_domain": "no domain"}, ("company_domain", "invalid")),
        ({"cnpj": "11.222.333/0001-82"}, ("cnpj", "invalid")),
        ({"stage": "mql"}, ("stage", "import_only")),
        ({"owner_sdr": "x"}, ("owner_sdr", "import_only")),
        ({"owner_sales": None}, ("owner_sales", "import_only")),
        ({"consent": {"purpose": "x"}}, ("consent", "type")),
        ({"consent": [{"purpose": "Não"}]}, ("consent[0].purpose", "invalid")),
        ({"consent": [{"purpose": "a"}, {}]}, ("consent[1].purpose", "invalid")),
        ({"consent": [{"purpose": "a", "given": 1}]}, ("consent[0].given", "unknown")),
        ({"consent": [{"purpose": "a", "text": "\0"}]}, ("consent[0]", "nul")),
        ({"consent": ["a"]}, ("consent[0]", "type")),
        ({"consent": "[1"}, ("consent", "invalid")),
        ({"event": "x"}, ("event", "type")),
        ({"event": {}}, ("event.type", "required")),
        ({"event": {"type": "Form"}}, ("event.type", "invalid")),
    ],
)
def test_a_problem_names_its_field_as_the_caller_wrote_it(
    document: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert problem_of(**document) == expected


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"a": {"b": [1, "x\0"]}}, "a.b[1]"),
        ({"a\0": 1}, "a\ufffd"),
        (["\ud800"], "[0]"),
        ("\0", ""),
    ],
)
def test_what_no_column_can_keep_is_found_anywhere(document: Any, place: str) -> None:
    problem = find_unkeepable(document)
    assert problem is not None
    assert problem.field == place


def test_a_document_without_hostile_characters_can_be_kept() -> None:
    assert find_unkeepable({"a": ["é", {"b": None}], "c": 1.5, "d": True}) is None


@pytest.mark.parametrize(("name", "limit"), TEXT_LIMITS.items())
def test_texts_end_at_their_limit(name: str, limit: int) -> None:
    assert getattr(lead_of(**{name: "é" * limit}), name) == "é" * limit
    assert problem_of(**{name: "é" * (limit + 1)}) == (name, "too_long")


def test_each_bad_field_has_its_problem_and_the_good_ones_are_read() -> None:
    lead, problems = submit({"email": "x", "country": "nowhere", "city": "Campinas"})
    assert [each.field for each in problems] == ["email", "country"]
    assert lead.city == "Campinas"


def test_stage_and_owners_come_by_import() -> None:
    lead, problems = read_row(
        values={"stage": "SQL", "owner_sdr": " 068066e2 ", "owner_sales": "Rui"}, rules=IMPORT_RULES, now=NOW
    )
    assert problems == []
    assert (lead.stage, lead.owner_sdr, lead.owner_sales) == ("sql", "068066e2", "Rui")
    _lead, problems = read_row(values={"stage": "lost"}, rules=IMPORT_RULES, now=NOW)
    assert (problems[0].field, problems[0].code) == ("stage", "invalid")
    assert "opportunity" in str(problems[0].message)


def test_consent_in_a_file_is_a_word_or_json() -> None:
    expected = (ConsentInput("marketing", "consent", ""), ConsentInput("news", "contract", ""))
    assert lead_of(consent="marketing; News:contract").consent == expected
    assert (
        lead_of(consent='[{"purpose": "marketing"}, {"purpose": "news", "basis": "contract"}]').consent
        == expected
    )


# Events


def test_an_event_is_read_with_its_instant() -> None:
    event, problems = read_event(
        document={"type": "page_viewed", "occurred_at": "2026-11-24T12:04:59-03:00", "message_id": 7},
        zone=ZONE,
        now=NOW,
    )
    assert problems == []
    assert event == EventInput("page_viewed", {}, NOW + timedelta(minutes=4, seconds=59), "7")


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("occurred_at", "2026-11-24T15:05:01Z", "future"),
        ("occurred_at", "yesterday", "invalid"),
        ("occurred_at", 1700000000, "type"),
        ("message_id", "x" * 201, "too_long"),
        ("message_id", {}, "type"),
        ("properties", [], "type"),
        ("properties", {"a": "\0"}, "nul"),
        ("properties", {"a\0": 1}, "nul"),
        ("properties", {"a": "\ud800"}, "characters"),
        ("properties", {"a": float("nan")}, "invalid"),
        ("properties", {"a": {"b": {"c": {"d": {"e": {}}}}}}, "too_deep"),
        ("properties", {"a": "x" * 17_000}, "too_long"),
        ("kind", "demo", "unknown"),
        ("type", 5, "invalid"),
        ("type", "x" * 65, "invalid"),
    ],
)
def test_events_that_cannot_be_kept_are_refused(member: str, value: Any, code: str) -> None:
    event, problems = read_event(document={"type": "x", member: value}, zone=ZONE, now=NOW)
    assert event is None
    assert [(each.field, each.code) for each in problems] == [(member, code)]


# Normal forms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Ana@Empresa.COM.br ", "ana@empresa.com.br"),
        ("ana@são-paulo.com.br", "ana@xn--so-paulo-rza.com.br"),
        ("ANA@SÃO-PAULO.com.br", "ana@xn--so-paulo-rza.com.br"),
        ("JOÃO@x.com", "joão@x.com"),
        ("a+b.c@sub.x.test", "a+b.c@sub.x.test"),
        ("a@x．com", "a@x.com"),
        ("o'neil@x.com", "o'neil@x.com"),
        ("a" * 64 + "@x.com", "a" * 64 + "@x.com"),
    ],
)
def test_an_email_has_one_form(text: str, expected: str) -> None:
    assert normalise_email(text) == expected
    assert normalise_email(expected) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "@x.com", "a@", "a@localhost", "a..b@x.com", ".a@x.com", "a.@x.com", "a@-x.com", "a@x-.com", "a@x..com",
     "a@x.com.", "a@1.2.3.4", "a@[1.2.3.4]", '"a b"@x.com', "a b@x.com", "a@x.com, b@x.com", "Ana <a@x.com>",
     "a@x_y.com", "a@xn--zz--.com", "a" * 65 + "@x.com", "a@" + "x." * 130 + "com", "a@é" * 3, "a@\u200b.com"],
)  # fmt: skip
def test_what_is_no_email_is_none(text: str) -> None:
    assert normalise_email(text) is None


@pytest.mark.parametrize(
    ("email", "kind"),
    [
        ("a@gmail.com", "free"),
        ("a@uol.com.br", "free"),
        ("a@globo.com", "free"),
        ("a@mailinator.com", "disposable"),
        ("a@x.mailinator.com", "disposable"),
        ("a@empresa.com.br", "business"),
        ("a@mail.gmail.com.empresa.com", "business"),
    ],
)
def test_the_kind_of_an_email(email: str, kind: str) -> None:
    assert email_kind(email) == kind


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("+55 19 99888-7766", "BR", "+5519998887766"),
        ("(19) 99888-7766", "BR", "+5519998887766"),
        ("019 99888 7766", "BR", "+5519998887766"),
        ("5519998887766", "BR", "+5519998887766"),
        ("55 99888-7766", "BR", "+5555998887766"),
        ("+1 (212) 555-2368", "BR", "+12125552368"),
        ("212 555 2368", "US", "+12125552368"),
        ("912 345 678", "PT", "+351912345678"),
        ("99888-7766", "BR", "99888-7766"),
        (" call me ", "BR", "call me"),
        ("(11) 3333-4444 ramal 5", "BR", "(11) 3333-4444 ramal 5"),
        ("19998887766", None, "19998887766"),
        ("19998887766", "ZZ", "19998887766"),
    ],
)
def test_phones_are_e164_when_valid_and_else_as_typed(text: str, country: str | None, expected: str) -> None:
    assert normalise_phone(text, country=country) == expected


def test_a_phone_is_read_in_the_leads_country() -> None:
    assert lead_of(phone="912 345 678", country="Portugal").phone == "+351912345678"
    assert lead_of(phone="912 345 678").phone == "912 345 678"


@settings(max_examples=300)
@given(
    st.sampled_from(["BR", "PT", "DE", "FR", "MX", "AR", "ES", "US", "GB"]),
    st.sampled_from(["", "0", "+55", "+351", "+49", "55"]),
    st.text("0123456789", min_size=6, max_size=12),
)
def test_the_quick_reading_of_phones_is_the_librarys(country: str, start: str, digits: str) -> None:
    try:
        number = phonenumbers.parse(start + digits, country)
        is_valid = phonenumbers.is_valid_number(number)
    except phonenumbers.NumberParseException:
        is_valid = False
    expected = start + digits
    if is_valid:
        expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assert normalise_phone(start + digits, country=country) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [("BR", "BR"), ("br", "BR"), ("BRA", "BR"), ("Brazil", "BR"), ("BRASIL", "BR"), ("Estados Unidos", "US"),
     ("U.S.A.", "US"), ("UK", "GB"), ("Côte d’Ivoire", "CI"), ("Costa do Marfim", "CI"), ("United Kingdom", "GB"),
     ("South Korea", "KR"), ("Alemanha", "DE"), ("unknown", None), ("EU", None), ("ZZ", None), ("", None)],
)  # fmt: skip
def test_countries_by_code_and_by_name(text: str, code: str | None) -> None:
    assert normalise_country(text) == code


def test_every_iso_country_is_known_by_both_codes() -> None:
    assert {normalise_country(code) for code in phonenumbers.SUPPORTED_REGIONS - {"AC", "TA"}} == (
        phonenumbers.SUPPORTED_REGIONS - {"AC", "TA"}
    )
    assert [normalise_country(code) for code in ("PRT", "DEU", "ARG", "JPN", "ZAF")] == [
        "PT",
        "DE",
        "AR",
        "JP",
        "ZA",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("pt-br", "pt-BR"), ("PT_BR", "pt-BR"), ("en", "en"), ("zh-hant-tw", "zh-Hant-TW"), ("Português", "pt"),
     ("English", "en"), ("xx", None), ("", None), ("en-é", None)],
)  # fmt: skip
def test_languages(text: str, expected: str | None) -> None:
    assert normalise_language(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("america/sao_paulo", "America/Sao_Paulo"), ("America/Sao Paulo", "America/Sao_Paulo"), ("UTC", "UTC"),
     ("BRT", None), ("../../etc/passwd", None)],
)  # fmt: skip
def test_time_zones(text: str, expected: str | None) -> None:
    assert normalise_time_zone(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("c_level", "c_level"), ("C-Level", "c_level"), ("CEO", "c_level"), ("Diretora", "director"), ("Gerente", "manager"),
     ("VP", "vp"), ("Vice-presidente", "vp"), ("Sócio", "partner"), ("co-founder", "owner"), ("Sênior", "senior"),
     ("Estagiário", "entry"), ("Head of everything", "Head of everything")],
)  # fmt: skip
def test_seniority_by_usual_words_in_two_languages(text: str, expected: str) -> None:
    assert normalise_seniority(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("11.222.333/0001-81", "11222333000181"),
        ("11222333000181", "11222333000181"),
        # The example of the authority's own manual for numbers with letters.
        ("12.ABC.345/01DE-35", "12ABC34501DE35"),
        ("12.abc.345/01de-35", "12ABC34501DE35"),
        # A spreadsheet has eaten the leading zero.
        ("6990590000123", "06990590000123"),
        ("11.222.333/0001-82", None),
        ("12.ABC.345/01DE-36", None),
        ("00000000000000", None),
        ("1122233300018", None),
        ("", None),
    ],
)
def test_cnpj_with_its_check_digits(text: str, expected: str | None) -> None:
    assert normalise_cnpj(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("https://www.Empresa.com.br/contato?x=1", "empresa.com.br"), ("ana@empresa.com.br", "empresa.com.br"),
     ("empresa.com.br:8080", "empresa.com.br"), ("São-Paulo.com", "xn--so-paulo-rza.com"), ("localhost", None),
     ("1.2.3.4", None), ("a b.com", None), ("", None)],
)  # fmt: skip
def test_domains_from_what_people_paste(text: str, expected: str | None) -> None:
    assert normalise_domain(text) == expected


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [("13083970", "BR", "13083-970"), ("13.083-970", "BR", "13083-970"), ("13083-970", "BR", "13083-970"),
     ("13083", "BR", "13083"), ("12345678", "US", "12345678"), ("sw1a 1aa", "GB", "SW1A 1AA")],
)  # fmt: skip
def test_postal_codes(text: str, country: str, expected: str) -> None:
    assert normalise_postal_code(text, country=country) == expected


# Anything at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    [*LEAD_FIELDS, "custom", "event", "custom.plants", "custom.since", "custom.ratio", "custom.area"]
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        names | st.text(st.characters(), max_size=8) | st.text("\0\ud800a.", max_size=3),
        json_values,
        max_size=4,
    )
)
def test_no_json_makes_it_crash_and_what_is_read_can_be_kept(document: dict[str, Any]) -> None:
    lead, problems = submit(document, IMPORT_RULES)
    assert "\0" not in repr(lead.__dict__)
    assert all(each.code and str(each.message) for each in problems)
    # What is said of a bad submission can be kept and sent.
    assert find_unkeepable([each.as_json() for each in problems]) is None


@settings(max_examples=300, deadline=None)
@given(st.text() | st.from_regex(r"[a-zé.]{1,6}@[a-zé.-]{1,10}\.[a-z]{1,3}", fullmatch=True))
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    for normalise in (
        normalise_email,
        normalise_domain,
        normalise_country,
        normalise_cnpj,
        normalise_language,
    ):
        once = normalise(text)
        assert once is None or normalise(once) == once
    assert fold_text(fold_text(text)) == fold_text(text)


@pytest.mark.real_data
def test_no_hostile_string_makes_it_crash() -> None:
    folder = os.environ.get("LEADSYS_REAL_DATA")
    if not folder:
        pytest.skip("LEADSYS_REAL_DATA is not set")
    strings = json.loads((Path(folder) / "blns.json").read_text(encoding="utf-8"))
    assert len(strings) > 500
    custom = [f"custom.{name}" for name in RULES.custom]
    for text in strings:
        for name in (*LEAD_FIELDS, *custom, text):
            read_row(values={name: text}, rules=IMPORT_RULES, now=NOW)
            submit({name: text}, IMPORT_RULES)
            submit({name: [text], "event": {"type": text, "properties": {text: text}, "occurred_at": text}})
        submit(
            {"company": {text: text}, "custom": {text: text}, "consent": [{"purpose": text, "text": text}]}
        )
        lead, _problems = submit({"name": text, "city": text})
        assert lead.city in {text.strip() or None, None}
