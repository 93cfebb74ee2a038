"""What administrators type about fields and reasons, checked as far as a form can."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from leads.capture.columns import make_field_name
from leads.custom_fields import MAX_CHOICE_LENGTH, MAX_CHOICES
from leads.forms import ActForm
from leads.labels import MAX_LABEL_LENGTH
from leads.models import CustomType, Stage
from leads.reasons import TARGETS, ReasonChoice, ReasonList


class ChangeFieldForm(ActForm):
    """What may change of a field that exists."""

    label = forms.CharField(
        label=_("Label"),
        max_length=120,
        help_text=_("As people see it, in forms, lists and rules."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    choices = forms.CharField(
        label=_("Choices"),
        required=False,
        max_length=MAX_CHOICES * (MAX_CHOICE_LENGTH + 2),
        help_text=_(
            "One a line; the field takes nothing else then. Empty: any text. Values that are kept stay as they are."
        ),
        widget=forms.Textarea(attrs={"rows": 5}),
    )

    def __init__(self, *args: Any, type: str = CustomType.TEXT, **kwargs: Any) -> None:  # noqa: A002 - the field's word
        super().__init__(*args, **kwargs)
        if type != CustomType.TEXT:
            del self.fields["choices"]

    def clean_choices(self) -> list[str]:
        """The lines."""
        return [line for line in self.cleaned_data["choices"].splitlines() if line.strip()]


class NewFieldForm(ChangeFieldForm):
    """A new field."""

    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=63,
        help_text=_(
            "As the API and files know it, after “custom.”. Empty: made from the label. It never changes."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    type = forms.ChoiceField(
        label=_("Type"),
        choices=CustomType.choices,
        help_text=_("What rules can compare it with. It never changes."),
    )

    field_order = ("label", "name", "type", "choices")

    def clean(self) -> dict[str, Any]:
        """A name made from the label, where none was given."""
        data = super().clean() or {}
        if not data.get("name") and data.get("label"):
            data["name"] = make_field_name(data["label"])
        return data


class ReasonForm(ActForm):
    """One reason: its words in each language, and where it leads."""

    leads_to = forms.ChoiceField(label=_("Leads to"))

    def __init__(
        self, *args: Any, which: ReasonList, sequences: Sequence[tuple[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for code, language in settings.LANGUAGES:
            self.fields[f"label_{code}"] = forms.CharField(
                label=_("Label (%(language)s)") % {"language": language},
                required=False,
                max_length=MAX_LABEL_LENGTH,
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )
        self.order_fields([f"label_{code}" for code, _language in settings.LANGUAGES])
        ways = _ways_out(which, sequences)
        chosen = self.initial.get("leads_to")
        if chosen and chosen not in dict(ways):
            ways.append((chosen, chosen.partition(":")[2]))
        if len(ways) == 1:
            del self.fields["leads_to"]
        else:
            self.fields["leads_to"].choices = ways  # type: ignore[attr-defined]
            self.fields["leads_to"].help_text = _("Holds for leads that get this reason from now on.")
        self._only_way = ways[0][0]

    def clean(self) -> dict[str, Any]:
        """A reason has words in one language at least."""
        data = super().clean() or {}
        if not self.errors and not self.label():
            self.add_error(f"label_{settings.LANGUAGE_CODE}", _("Give a label in one language at least."))
        return data

    def label(self) -> dict[str, str]:
        """The words by language."""
        words = {code: self.cleaned_data.get(f"label_{code}", "") for code, _language in settings.LANGUAGES}
        return {code: text for code, text in words.items() if text}

    def way_out(self) -> tuple[Stage, str | None]:
        """The stage, and the sequence where there is one."""
        stage, _colon, sequence = self.cleaned_data.get("leads_to", self._only_way).partition(":")
        return Stage(stage), sequence or None


def way_of(choice: ReasonChoice) -> str:
    """Where a reason leads, as ``ReasonForm`` has it."""
    return f"{choice.target.value}:{choice.sequence}" if choice.sequence else choice.target.value


def _ways_out(which: ReasonList, sequences: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    ways: list[tuple[str, str]] = []
    for stage in TARGETS[which]:
        if stage is Stage.NURTURE:
            enrols = _("Nurture, in the sequence “%(sequence)s”")
            ways += [(f"{stage.value}:{key}", str(enrols) % {"sequence": label}) for key, label in sequences]
            ways.append((stage.value, str(_("Nurture, marketing decides what comes next"))))
        else:
            ways.append((stage.value, str(stage.label)))
    return ways
