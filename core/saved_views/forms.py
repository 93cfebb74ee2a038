"""What people say of a view: its name, and who sees it."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.models import SavedView
from tenancy.errors import Problem
from tenancy.models import Membership, Team
from tenancy.rights import may


class ViewForm(forms.Form):
    """Name and sharing; who may not share is not asked. ``is_default``: the list opens with it for oneself."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    sharing = forms.ChoiceField(
        label=_("Who sees it"), choices=SavedView.Sharing.choices, widget=forms.RadioSelect
    )
    team = forms.TypedChoiceField(label=_("Team"), required=False, coerce=int, empty_value=None)
    is_default = forms.BooleanField(label=_("Open the list with this view, for me"), required=False)

    def __init__(self, *args: Any, member: Membership, **kwargs: Any) -> None:
        kwargs["initial"] = {"sharing": SavedView.Sharing.ME} | (kwargs.get("initial") or {})
        super().__init__(*args, **kwargs)
        teams = Team.objects.order_by("name", "pk")
        if not may(member, "view.manage"):
            teams = teams.filter(places__member=member)
        choices = list(teams.values_list("pk", "name"))
        sharing, team = self.fields["sharing"], self.fields["team"]
        assert isinstance(sharing, forms.ChoiceField)
        assert isinstance(team, forms.ChoiceField)
        team.choices = [("", "—"), *choices]
        if not choices:
            sharing.choices = [
                pair for pair in SavedView.Sharing.choices if pair[0] != SavedView.Sharing.TEAM
            ]
            del self.fields["team"]
        if not may(member, "view.share"):
            del self.fields["sharing"]
            self.fields.pop("team", None)

    def described(self) -> dict[str, Any]:
        """What was said, as the services take it."""
        data = self.cleaned_data
        sharing = data.get("sharing", self.initial["sharing"])
        team = data.get("team") if "team" in self.fields else self.initial.get("team")
        return {"name": data["name"], "sharing": sharing, "team_id": team}

    def add_problem(self, problem: Problem) -> None:
        """Show an anticipated error at its fields, or above them."""
        named = [each for each in problem.errors if each.field in self.fields]
        for each in named:
            self.add_error(each.field, str(each.message))
        if not named:
            self.add_error(None, str(problem.detail))
