"""What administrators type about webhooks."""

from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from core.webhooks.addresses import MAX_URL
from core.webhooks.events import list_event_types
from tenancy.errors import Problem


class EndpointForm(forms.Form):
    """An address, what it is for, what it is told."""

    url = forms.CharField(
        label=_("Address"),
        max_length=MAX_URL,
        help_text=_("Where we POST to, as https://crm.example.com/hooks. Private networks are refused."),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    event_types = forms.MultipleChoiceField(
        label=_("Tell of"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["event_types"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            (each.name, format_html("{} <code>{}</code>", each.label, each.name))
            for each in list_event_types()
        ]

    def add_problem(self, problem: Problem) -> None:
        """Show an anticipated error at its fields, or above them."""
        named = [each for each in problem.errors if each.field in self.fields]
        for each in named:
            self.add_error(each.field, str(each.message))
        if not named:
            self.add_error(None, str(problem.detail))
