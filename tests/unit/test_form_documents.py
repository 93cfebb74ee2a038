"""Documents of hosted forms: what is read, what is refused and where."""

from typing import Any

import pytest

from leads.capture.form_documents import parse_form, read_site
from leads.versions import InvalidDocument

FORM: dict[str, Any] = {
    "title": "Talk to us",
    "fields": [{"name": "email", "label": "E-mail", "required": True}],
}


def faults(**changes: Any) -> list[str]:
    with pytest.raises(InvalidDocument) as refused:
        parse_form(FORM | changes)
    return [problem.field for problem in refused.value.errors]


def test_every_fault_is_named_by_its_place() -> None:
    field = {"name": "email", "label": "E-mail"}
    assert faults(title="", kind="sale") == ["title.en", "kind"]
    assert faults(fields=[]) == ["fields"]
    assert faults(fields=[field, field]) == ["fields[1].name"]
    assert faults(fields=[{"name": "stage", "label": "Stage"}]) == ["fields[0].name"]
    assert faults(fields=[field | {"choices": ["x" * 300]}]) == ["fields[0].choices"]
    assert faults(consents=[{"purpose": "Marketing!", "text": "Yes"}]) == ["consents[0].purpose"]
    assert faults(consents=[{"purpose": "marketing", "text": ""}]) == ["consents[0].text.en"]
    assert faults(redirect="javascript:alert(1)", privacy="http://x.test/") == ["redirect", "privacy"]
    assert faults(redirect="https://x.test; script-src *") == ["redirect"]
    assert faults(origins=["https://x.test", "nowhere at all"], language="fr") == ["origins", "language"]
    assert faults(defaults={"stage": "sql"}) == ["defaults"]


def test_a_form_of_the_first_days_is_read() -> None:
    old = parse_form(FORM | {"consent": {"purpose": "marketing", "text": "Yes", "required": True}})
    assert [(each.purpose, each.version, each.is_required) for each in old.consents] == [
        ("marketing", "1", True)
    ]


@pytest.mark.parametrize(
    ("given", "site"),
    [
        ("https://www.empresa.com.br", "https://www.empresa.com.br"),
        ("WWW.Empresa.com.br/", "https://www.empresa.com.br"),
        ("https://empresa.com.br:443", "https://empresa.com.br"),
        ("https://empresa.com.br:8443", "https://empresa.com.br:8443"),
        ("https://açaí.com.br", "https://xn--aa-4iaz.com.br"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://empresa.com.br", None),
        ("https://*.empresa.com.br", None),
        ("https://empresa.com.br/contato", None),
        ("https://user@empresa.com.br", None),
        ("https://empresa.com.br 'self'", None),
        ("data:text/html", None),
        ("null", "https://null"),
        ("", None),
    ],
)
def test_the_origin_of_a_site_is_as_browsers_write_it(given: str, site: str | None) -> None:
    assert read_site(given) == site
