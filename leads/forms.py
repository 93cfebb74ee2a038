"""What people type about leads: checked as far as a form can, so that an act is called once with what it takes."""

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.models import ContactAttempt, MoveAct, Seniority
from leads.reasons import Reasons
from tenancy.currencies import CURRENCIES
from tenancy.errors import Problem
from tenancy.models import Membership

# The fields that a person fills in by hand, in the order of the page.
PERSON_FIELDS: Final = ("first_name", "last_name", "email", "phone", "job_title", "seniority")
COMPANY_FIELDS: Final = ("company", "company_size", "company_domain", "industry", "cnpj")
PLACE_FIELDS: Final = ("country", "state", "city")
SOURCE_FIELDS: Final = ("origin", "campaign")


class ActForm(forms.Form):
    """The questions of an act; without fields it is only confirmed."""

    def add_problem(self, problem: Problem) -> None:
        """Show an anticipated error at its fields, or above them."""
        named = [each for each in problem.errors if each.field in self.fields]
        for each in named:
            self.add_error(each.field, str(each.message))
        if not named:
            self.add_error(None, str(problem.detail))


def _note() -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class AttemptForm(ActForm):
    """How somebody tried to reach a lead, and what came of it."""

    outcome = forms.ChoiceField(
        label=gettext_lazy("What came of it"),
        choices=ContactAttempt.Outcome.choices,
        widget=forms.RadioSelect(attrs={"autofocus": True}),
        error_messages={"required": gettext_lazy("Choose what came of it.")},
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("How"), choices=ContactAttempt.Channel.choices, initial=ContactAttempt.Channel.CALL
    )
    note = _note()


class ReasonForm(ActForm):
    """A reason of the tenant's list for an act."""

    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"),
        widget=forms.RadioSelect(attrs={"autofocus": True}),
        error_messages={"required": gettext_lazy("Choose a reason.")},
    )
    note = _note()

    def __init__(self, *args: Any, reasons: Reasons, act: MoveAct, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(choice.key, str(choice.label)) for choice in reasons.choices(act)]
        self.fields["reason"].choices = choices  # type: ignore[attr-defined]


class WordsForm(ActForm):
    """Why, in one's own words."""

    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        error_messages={"required": gettext_lazy("Say why, in a few words.")},
    )


class OverrideForm(ActForm):
    """Why a lead is handed over although answers are missing."""

    override_reason = forms.CharField(
        label=gettext_lazy("Why hand over now?"),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        error_messages={"required": gettext_lazy("Say why, in a few words.")},
    )


class WinForm(ActForm):
    """What a won opportunity is worth."""

    amount = forms.CharField(
        label=gettext_lazy("Amount"),
        max_length=24,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autofocus": True, "autocomplete": "off"}),
        help_text=gettext_lazy("In units of the currency, as 12500.00"),
        error_messages={"required": gettext_lazy("Give the amount.")},
    )
    currency = forms.ChoiceField(label=gettext_lazy("Currency"))

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["currency"].choices = [  # type: ignore[attr-defined]
            (code, code) for code in (currency, *(code for code in sorted(CURRENCIES) if code != currency))
        ]

    def clean_amount(self) -> str:
        """The amount with a decimal point, whichever way it was written: 12.500,00 or 12,500.00."""
        return read_typed_amount(self.cleaned_data["amount"])


def read_typed_amount(text: str) -> str:
    """Digits with a decimal point: of "." and "," the last one is the decimal mark if 1 or 2 digits follow it."""
    digits = "".join(letter for letter in text if not letter.isspace())
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0 or not 1 <= len(digits) - last - 1 <= 2:
        return digits.replace(".", "").replace(",", "")
    whole = digits[:last].replace(".", "").replace(",", "")
    return f"{whole}.{digits[last + 1 :]}"


class AssignForm(ActForm):
    """Who shall have a lead."""

    user = forms.ChoiceField(
        label=gettext_lazy("Give it to"),
        widget=forms.Select(attrs={"autofocus": True}),
        error_messages={"required": gettext_lazy("Choose somebody.")},
    )

    def __init__(self, *args: Any, people: Iterable[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(person.pk), person.name) for person in people]
        self.fields["user"].choices = [("", _("Choose…")), *choices]  # type: ignore[attr-defined]


def _text(label: Any, limit: int, **attrs: Any) -> forms.CharField:
    return forms.CharField(label=label, required=False, max_length=limit, widget=forms.TextInput(attrs=attrs))


class LeadForm(ActForm):
    """The fields of a lead that people fill in; intake reads them as it reads everybody's."""

    first_name = _text(gettext_lazy("First name"), 100, autocomplete="off")
    last_name = _text(gettext_lazy("Last name"), 100, autocomplete="off")
    email = _text(gettext_lazy("E-mail"), 254, inputmode="email", autocomplete="off")
    phone = _text(gettext_lazy("Phone"), 40, inputmode="tel", autocomplete="off")
    job_title = _text(gettext_lazy("Job title"), 200)
    seniority = forms.ChoiceField(label=gettext_lazy("Seniority"), required=False)
    company = _text(gettext_lazy("Company"), 200)
    company_size = forms.IntegerField(label=gettext_lazy("Number of people"), required=False, min_value=0)
    company_domain = _text(gettext_lazy("Company website"), 253)
    industry = _text(gettext_lazy("Industry"), 120)
    cnpj = _text(gettext_lazy("CNPJ"), 20, inputmode="numeric")
    country = _text(gettext_lazy("Country"), 60)
    state = _text(gettext_lazy("State"), 80)
    city = _text(gettext_lazy("City"), 120)
    origin = _text(gettext_lazy("Origin"), 120)
    campaign = _text(gettext_lazy("Campaign"), 200)
    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        required=False,
        max_length=1000,
        help_text=gettext_lazy("Several apart by commas"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [("", _("Not known")), *Seniority.choices]
        stands = self.initial.get("seniority")
        if stands and stands not in Seniority.values:
            known.append((stands, stands))
        self.fields["seniority"].choices = known  # type: ignore[attr-defined]
        for name in SOURCE_FIELDS:
            if self.initial.get(name):
                self.fields[name].disabled = True
                self.fields[name].help_text = _("Stays as it was first; later sources show in the story.")

    def clean(self) -> dict[str, Any]:
        """NUL characters break the database's texts; forms of a browser never send them."""
        data = super().clean() or {}
        if (
            not any(data.get(name) for name in ("email", "phone", "first_name", "last_name"))
            and not self.errors
        ):
            self.add_error(
                "email", _("Give an e-mail, a phone or a name: without one of them there is nobody to keep.")
            )
        return data

    def payload(self) -> dict[str, Any]:
        """What was filled in, as a submission."""
        data = {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}
        if "tags" in data:
            data["tags"] = [tag.strip() for tag in data["tags"].split(",") if tag.strip()]
        return data

    @property
    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields under their headings."""
        return [
            (_("Person"), [self[name] for name in PERSON_FIELDS]),
            (_("Company"), [self[name] for name in COMPANY_FIELDS]),
            (_("Place"), [self[name] for name in PLACE_FIELDS]),
            (_("Where from"), [self[name] for name in (*SOURCE_FIELDS, "tags") if name in self.fields]),
        ]
