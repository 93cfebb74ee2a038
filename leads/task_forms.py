"""What people type about a task."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from leads.forms import ActForm
from leads.lead_tasks import MAX_TITLE, list_assignees
from tenancy.models import Membership


class TaskForm(ActForm):
    """What is to be done, by whom, until when; day and time in the zone of who types."""

    title = forms.CharField(
        label=_("What is to be done"),
        max_length=MAX_TITLE,
        error_messages={"required": _("Say what is to be done.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    due_on = forms.DateField(
        label=_("Day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    due_time = forms.TimeField(
        label=_("Time"),
        required=False,
        help_text=_("Leave it empty for any time of that day."),
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    assignee = forms.ChoiceField(label=_("Who does it"))

    def __init__(self, *args: Any, also: Membership | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = list_assignees()
        if also is not None and also not in people:
            people.append(also)
        field = self.fields["assignee"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(str(person.pk), person.name) for person in people]
