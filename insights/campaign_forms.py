"""What people type about campaigns, checked before a service is called."""

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from insights.campaigns import MAX_NAME, MAX_NOTE, CampaignData, Sign
from tenancy.errors import Problem
from tenancy.models import Membership
from tenancy.selectors import list_active_people

BETWEEN: Final = " / "


class CampaignForm(forms.Form):
    """A campaign: its name and period, and by what its leads are recognised."""

    name = forms.CharField(label=_("Name"), max_length=MAX_NAME)
    values = forms.CharField(
        label=_("utm_campaign, one a line"),
        required=False,
        help_text=_("As the links have it, capital letters included. Each of them is this campaign."),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    sources = forms.CharField(
        label=_("Or utm_source / utm_medium, one pair a line"),
        required=False,
        help_text=_("google / cpc; without a medium every one of the source counts: linkedin"),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    starts_on = forms.DateField(
        label=_("First day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    ends_on = forms.DateField(
        label=_("Last day"),
        required=False,
        help_text=_("Contacts outside of the period do not count. Left empty, it has no end."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    owner = forms.TypedChoiceField(label=_("Owner"), coerce=int, empty_value=None, required=False)
    note = forms.CharField(
        label=_("Note"), required=False, max_length=MAX_NOTE, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people: dict[int, Membership] = {member.pk: member for member in list_active_people()}
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ChoiceField)
        owner.choices = [("", _("Nobody")), *((key, member.name) for key, member in self.people.items())]

    def data_given(self) -> CampaignData:
        """The campaign that a valid form describes."""
        data = self.cleaned_data
        return CampaignData(
            name=data["name"],
            signs=[*_values(data["values"]), *_sources(data["sources"])],
            starts_on=data["starts_on"],
            ends_on=data["ends_on"],
            owner=self.people.get(data["owner"]),
            note=data["note"],
        )

    def add_problem(self, problem: Problem) -> None:
        """Show what a service refused, at its field where it has one."""
        for each in problem.errors:
            field = {"signs": "values"}.get(each.field, each.field)
            self.add_error(field if field in self.fields else None, str(each.message))
        if not problem.errors:
            self.add_error(None, str(problem.detail))


def initial_of(data: CampaignData) -> dict[str, Any]:
    """The form's values for a campaign that exists."""
    return {
        "name": data.name,
        "values": "\n".join(sign.campaign_value for sign in data.signs if _is_value(sign)),
        "sources": "\n".join(_source_line(sign) for sign in data.signs if not _is_value(sign)),
        "starts_on": data.starts_on,
        "ends_on": data.ends_on,
        "owner": data.owner.pk if data.owner else None,
        "note": data.note,
    }


class SpendForm(forms.Form):
    """Money spent on a day, or in a month."""

    date = forms.CharField(
        label=_("Day or month"),
        max_length=10,
        help_text=_("2026-10-31, 31/10/2026, or a whole month: 2026-10"),
    )
    amount = forms.CharField(
        label=_("Amount"), max_length=24, widget=forms.TextInput(attrs={"inputmode": "decimal"})
    )
    note = forms.CharField(label=_("Note"), max_length=200, required=False)


def _is_value(sign: Sign) -> bool:
    return bool(sign.campaign_value) and not sign.origin and not sign.medium


def _values(text: str) -> Sequence[Sign]:
    return [Sign(campaign_value=line.strip()) for line in text.splitlines() if line.strip()]


def _sources(text: str) -> Sequence[Sign]:
    """Lines as utm_source / utm_medium / utm_campaign, the later ones left out where they don't matter."""
    signs = []
    for line in text.splitlines():
        if line.strip():
            source, medium, value = (*(part.strip() for part in line.split("/")), "", "")[:3]
            signs.append(Sign(origin=source, medium=medium, campaign_value=value))
    return signs


def _source_line(sign: Sign) -> str:
    parts = [sign.origin, sign.medium, sign.campaign_value]
    while parts and not parts[-1]:
        parts.pop()
    return BETWEEN.join(parts)
