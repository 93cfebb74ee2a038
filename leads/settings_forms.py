"""What administrators type about fields and reasons, checked as far as a form can."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from leads.capture.columns import make_field_name
from leads.custom_fields import MAX_CHOICE_LENGTH, MAX_CHOICES
from leads.forms import ActForm
from leads.models import CustomType


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
