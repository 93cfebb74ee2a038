"""The questions of a hosted form as a page asks them: which kind of input each is, and what may be chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from django.utils.functional import Promise

from leads.capture.columns import CUSTOM
from leads.capture.form_documents import FormField, HostedForm
from leads.conditions.facts import get_fact
from leads.models import CustomField, CustomType, Seniority

InputType = Literal["text", "email", "tel", "number", "decimal", "date", "choice"]
Choice = tuple[str, str | Promise]

# What a form is offered to ask for, in the order in which people fill in forms.
STANDARD_FIELDS: Final = (
    *("email", "first_name", "last_name", "name", "phone", "job_title", "seniority"),
    *("company", "company_size", "company_domain", "company_revenue", "industry", "cnpj"),
    *("country", "state", "city", "postal_code"),
)
_TYPES: Final[dict[str, InputType]] = {
    "email": "email",
    "phone": "tel",
    "company_size": "number",
    "company_revenue": "decimal",
    "seniority": "choice",
}
_CUSTOM_TYPES: Final[dict[str, InputType]] = {
    CustomType.TEXT: "text",
    CustomType.INTEGER: "number",
    CustomType.DECIMAL: "decimal",
    CustomType.DATE: "date",
}


@dataclass(frozen=True)
class Question:
    """One field of a form, with its kind of input. ``choices``: value and label of each answer there is."""

    field: FormField
    type: InputType
    choices: Sequence[Choice] = ()


@dataclass(frozen=True)
class OfferedField:
    """A field that a form may ask for. ``choices`` are the only answers it has, if it has a list."""

    name: str
    label: str | Promise
    type: InputType
    choices: Sequence[Choice] = ()

    @property
    def is_custom(self) -> bool:
        return self.name.startswith(CUSTOM)

    @property
    def may_be_listed(self) -> bool:
        """Whether a form may offer a list of answers of its own: any text, or some of the field's choices."""
        return self.type in {"text", "choice"}


def list_offered() -> list[OfferedField]:
    """Every field that a form of the current tenant may ask for: those of a lead, then the tenant's own by label."""
    standard = [_standard(name) for name in STANDARD_FIELDS]
    own = CustomField.objects.filter(retired_at__isnull=True).order_by("label", "id")
    return standard + [_own(field) for field in own]


def list_questions(*, form: HostedForm) -> list[Question]:
    """The questions of a form, in order. Needs the tenant's scope."""
    names = [field.name.removeprefix(CUSTOM) for field in form.fields if field.name.startswith(CUSTOM)]
    own = {each.name: _own(each) for each in CustomField.objects.filter(name__in=names)} if names else {}
    return [_question(field, own) for field in form.fields]


def _question(field: FormField, own: dict[str, OfferedField]) -> Question:
    if field.name.startswith(CUSTOM):
        # A field that is gone is asked for as a text, and the answer refused.
        offered = own.get(field.name.removeprefix(CUSTOM)) or OfferedField(field.name, "", "text")
    else:
        offered = _standard(field.name)
    if not field.choices:
        return Question(field, offered.type, offered.choices)
    labels = dict(offered.choices)
    return Question(field, "choice", [(choice, labels.get(choice, choice)) for choice in field.choices])


def _standard(name: str) -> OfferedField:
    choices: Sequence[Choice] = Seniority.choices if name == "seniority" else ()
    return OfferedField(name, get_fact(key=name).label, _TYPES.get(name, "text"), choices)


def _own(field: CustomField) -> OfferedField:
    if field.choices:
        return OfferedField(
            CUSTOM + field.name, field.label, "choice", [(choice, choice) for choice in field.choices]
        )
    return OfferedField(CUSTOM + field.name, field.label, _CUSTOM_TYPES[field.type])
