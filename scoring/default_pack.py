"""The scoring model and grade criteria that a new tenant starts with (CONTRACT.md §2)."""

from datetime import datetime
from typing import Any, Final

from leads.events import CONTACT_KINDS, FORM_SUBMITTED
from leads.models import EmailKind, RuleKind, Seniority
from leads.versions import publish_default
from tenancy.models import Membership, Tenant

CONTACT: Final = sorted(CONTACT_KINDS)
MANAGERS: Final = [each.value for each in Seniority if each not in {Seniority.ENTRY, Seniority.SENIOR}]


def default_scoring() -> dict[str, Any]:
    """Points for behaviour; what shows interest in a job or none at all takes points away."""
    asked = {"fact": "properties.kind", "op": "in", "value": CONTACT}
    other = {
        "any": [
            {"fact": "properties.kind", "op": "is_unknown"},
            {"fact": "properties.kind", "op": "not_in", "value": CONTACT},
        ]
    }
    return {
        "rules": [
            _rule(
                "asked_for_contact",
                "Form: demo, pricing or contact",
                "Formulário: demonstração, preço ou contato",
                FORM_SUBMITTED,
                "30",
                window=90,
                cap="60",
                where=asked,
            ),
            _rule(
                "form_submitted",
                "Another form",
                "Outro formulário",
                FORM_SUBMITTED,
                "20",
                window=90,
                cap="60",
                where=other,
            ),
            _rule(
                "page_viewed",
                "Page viewed",
                "Página vista",
                "page_viewed",
                "1",
                window=14,
                cap="10",
                count="daily",
            ),
            _rule(
                "pricing_viewed",
                "Pricing page viewed",
                "Página de preços vista",
                "pricing_viewed",
                "5",
                window=14,
                cap="15",
            ),
            _rule(
                "content_downloaded",
                "Content downloaded",
                "Material baixado",
                "content_downloaded",
                "10",
                window=60,
                cap="30",
            ),
            _rule(
                "webinar_attended",
                "Webinar attended",
                "Participou de webinar",
                "webinar_attended",
                "20",
                window=60,
                cap="40",
            ),
            _rule(
                "email_clicked",
                "Link in an e-mail clicked",
                "Clicou em link de e-mail",
                "email_clicked",
                "5",
                window=30,
                cap="20",
            ),
            _rule("email_opened", "E-mail opened", "Abriu e-mail", "email_opened", "1", window=30, cap="5"),
            _rule(
                "careers_viewed",
                "Careers page viewed",
                "Página de vagas vista",
                "careers_viewed",
                "-20",
                window=90,
                cap="-20",
            ),
            _rule(
                "unsubscribed",
                "Unsubscribed",
                "Descadastrou-se",
                "unsubscribed",
                "-30",
                window=None,
                count="first",
            ),
        ],
        "model_cap": None,
    }


def _rule(
    id_: str,
    english: str,
    portuguese: str,
    event: str,
    points: str,
    *,
    window: int | None,
    cap: str | None = None,
    count: str = "each",
    where: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "id": id_,
        "label": {"en": english, "pt-br": portuguese},
        "event": {"type": event, "where": where},
        "window_days": window,
        "count": count,
        "points": points,
        "cap": cap,
    }


def default_grading(*, country: str) -> dict[str, Any]:
    """Criteria for fit; the list of industries is the tenant's to fill and says nothing until then."""
    return {
        "start": "D",
        "criteria": [
            _criterion("country", "Our country", "Nosso país", 1, ("country", "eq", country)),
            _criterion(
                "company_size",
                "Company size",
                "Tamanho da empresa",
                2,
                ("company_size", "between", [20, 1000]),
            ),
            _criterion("seniority", "Manager or above", "Gerente ou acima", 2, ("seniority", "in", MANAGERS)),
            _criterion("industry", "Our industries", "Nossos setores", 1, ("industry", "in", [])),
            _criterion(
                "business_email",
                "Business e-mail",
                "E-mail corporativo",
                1,
                ("email_kind", "eq", EmailKind.BUSINESS.value),
            ),
        ],
    }


def _criterion(
    id_: str, english: str, portuguese: str, steps: int, leaf: tuple[str, str, Any]
) -> dict[str, Any]:
    fact, op, value = leaf
    return {
        "id": id_,
        "label": {"en": english, "pt-br": portuguese},
        "steps": steps,
        "when": {"fact": fact, "op": op, "value": value},
    }


def publish_default_pack(tenant: Tenant, admin: Membership | None, now: datetime) -> None:
    """A new tenant's scoring model and grade criteria."""
    publish_default(kind=RuleKind.SCORING, document=default_scoring(), by=admin, now=now)
    publish_default(
        kind=RuleKind.GRADING, document=default_grading(country=tenant.country), by=admin, now=now
    )
