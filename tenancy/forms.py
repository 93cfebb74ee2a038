"""What people type about tenants, members, teams and keys, checked before a service is called."""

import zoneinfo
from datetime import datetime, time, timedelta
from functools import cache
from typing import Any

import phonenumbers
from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from tenancy.currencies import CURRENCIES
from tenancy.models import Language, Role, Scope, Team, TeamFunction, Tenant, Theme, User
from tenancy.selectors import list_active_people, list_teams

ROLE_NOTES: dict[Role, Promise] = {
    Role.ADMIN: _("People, teams, keys, audit log, held leads, and everything below"),
    Role.MANAGER: _("All leads, owners, exceptions, teams and reports"),
    Role.MARKETING: _("Rules, forms, outgoing mail, leads and reports"),
    Role.SDR: _("The queue: first contact, qualification, handover to sales"),
    Role.SALES: _("The SQL inbox and own opportunities"),
    Role.VIEWER: _("Reads, changes nothing"),
}

SCOPE_NOTES: dict[Scope, Promise] = {
    Scope.LEADS_READ: _("Lists, single leads and why they are where they are"),
    Scope.LEADS_WRITE: _("Intake, changes and every act on a lead"),
    Scope.EVENTS_WRITE: _("What leads and visitors did"),
    Scope.INSIGHT_READ: _("The funnel"),
    Scope.SETTINGS_READ: _("Fields, tags, forms, working time, webhooks"),
    Scope.SETTINGS_WRITE: _("The same, as long as whoever makes the key is an administrator"),
    Scope.RULES_READ: _("Every version of every document of rules"),
    Scope.RULES_WRITE: _("Drafts, publishing, going back, as long as whoever makes the key may do so"),
    Scope.MEMBERS_READ: _("Members, invitations, teams"),
    Scope.MEMBERS_WRITE: _("Never of administrators; as long as whoever makes the key is one"),
    Scope.AUDIT_READ: _("Who changed what, as long as whoever makes the key is an administrator"),
    Scope.DATA_EXPORT: _(
        "All that the account has, as one file; as long as whoever makes the key is an administrator"
    ),
    Scope.DATA_ERASE: _("One person or many, for good; as long as whoever makes the key may do so"),
}


@cache
def list_time_zones() -> tuple[str, ...]:
    """The names of the time zone database that people use, by name."""
    return tuple(sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC"))


def check_time_zone(name: str) -> str:
    """The name as the time zone database spells it. Raises ValidationError."""
    spelt = {zone.casefold(): zone for zone in list_time_zones()}
    found = spelt.get(name.strip().replace(" ", "_").casefold())
    if found is None:
        raise ValidationError(
            _("%(value)s is not a time zone. Use a name such as America/Sao_Paulo.") % {"value": name}
        )
    return found


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A tenant's own data; codes in any case, the language as pt-BR or pt-br."""

    class Meta:
        model = Tenant
        fields = ("name", "slug", "time_zone", "language", "currency", "country")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Checked below, in whichever case it was typed.
        self.fields["language"] = forms.CharField(label=_("Language"), max_length=10)

    def clean_time_zone(self) -> str:
        return check_time_zone(self.cleaned_data["time_zone"])

    def clean_language(self) -> str:
        code = str(self.cleaned_data["language"]).strip().lower().replace("_", "-")
        if code not in Language.values:
            raise ValidationError(
                _("%(value)s is not offered. Use one of: %(offered)s.")
                % {"value": self.cleaned_data["language"], "offered": ", ".join(["en", "pt-BR"])}
            )
        return code

    def clean_currency(self) -> str:
        code = str(self.cleaned_data["currency"]).upper()
        if code not in CURRENCIES:
            raise ValidationError(
                _("%(value)s is not a currency. Use a code such as BRL or USD.") % {"value": code}
            )
        return code

    def clean_country(self) -> str:
        code = str(self.cleaned_data["country"]).upper()
        if code not in phonenumbers.SUPPORTED_REGIONS:
            raise ValidationError(
                _("%(value)s is not a country. Use a two-letter code such as BR or US.") % {"value": code}
            )
        return code


class NewPasswordForm(forms.Form):
    """The first password, with the name others will see."""

    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=200,
        help_text=_("10 characters or more, not a common word. A sentence is easier to remember."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=_("The same password again"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        self.email = email
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        password = data.get("password")
        if password and data.get("again") and password != data["again"]:
            self.add_error("again", _("The two passwords differ. Type the same one twice."))
        elif password:
            try:
                password_validation.validate_password(
                    password, User(email=self.email, name=data.get("name", ""))
                )
            except ValidationError as error:
                self.add_error("password", error)
        return data


class ProfileForm(forms.Form):
    """A person's own choices."""

    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        help_text=_("As your colleagues see it, in every account you belong to."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    language = forms.ChoiceField(label=_("Language"), required=False)
    time_zone = forms.CharField(
        label=_("Time zone"),
        required=False,
        max_length=64,
        help_text=_(
            "Dates and times on your pages, such as America/Manaus; empty: as the account. "
            "Deadlines follow the account's calendar."
        ),
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"}),
    )
    theme = forms.ChoiceField(label=_("Theme"), choices=Theme.choices)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["language"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [("", _("As the browser asks")), *Language.choices]

    def clean_time_zone(self) -> str:
        return check_time_zone(self.cleaned_data["time_zone"]) if self.cleaned_data["time_zone"] else ""


class RolesForm(forms.Form):
    """Roles, each with what it may do."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one role.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self, "roles", [(role.value, _with_note(role.label, ROLE_NOTES[role])) for role in Role])


class InviteForm(RolesForm):
    """Whom to invite as what."""

    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        help_text=_("They sign in with it. You get a link to pass on."),
        widget=forms.EmailInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    team = forms.ChoiceField(label=_("Team"), required=False)

    field_order = ("email", "roles", "team")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.teams = {str(team.pk): team for team in list_teams()}
        _offer(
            self, "team", [("", _("No team yet")), *((key, team.name) for key, team in self.teams.items())]
        )

    @property
    def team_chosen(self) -> Team | None:
        return self.teams.get(self.cleaned_data["team"])


class MemberForm(RolesForm):
    """What a member does: roles and teams."""

    teams = forms.TypedMultipleChoiceField(
        label=_("Teams"), coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        teams = [(team.pk, _with_note(team.name, team.get_function_display())) for team in list_teams()]
        _offer(self, "teams", teams)
        if not teams:
            self.fields["teams"].help_text = _("There is no team yet.")


class TeamForm(forms.Form):
    """A team: its function, lead and members."""

    name = forms.CharField(label=_("Name"), max_length=80)
    function = forms.ChoiceField(
        label=_("Function"),
        choices=TeamFunction.choices,
        help_text=_("What the team does with a lead: marketing, pre-sales (SDR) or sales."),
    )
    lead = forms.TypedChoiceField(
        label=_("Team lead"),
        coerce=int,
        empty_value=None,
        required=False,
        help_text=_("Is told when a clock of the team runs late."),
    )
    members = forms.TypedMultipleChoiceField(
        label=_("Members"),
        coerce=int,
        required=False,
        widget=forms.SelectMultiple(attrs={"data-enhance": ""}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = {member.pk: member for member in list_active_people()}
        named = [(key, f"{member.name} · {member.email}") for key, member in self.people.items()]
        _offer(self, "lead", [("", _("Nobody yet")), *named])
        _offer(self, "members", named)


class KeyForm(forms.Form):
    """An API key: a name, what it may do, until when."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("Where it will be used: “Website forms”, “Data warehouse”."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    scopes = forms.MultipleChoiceField(
        label=pgettext_lazy("scopes of a key", "May"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one.")},
    )
    expires_on = forms.DateField(
        label=_("Works until"),
        required=False,
        help_text=_("That day included. Leave empty for a key that does not expire."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, today: Any, **kwargs: Any) -> None:
        self.today = today
        super().__init__(*args, **kwargs)
        _offer(
            self, "scopes", [(scope.value, _with_note(scope.label, SCOPE_NOTES[scope])) for scope in Scope]
        )

    def clean_expires_on(self) -> Any:
        day = self.cleaned_data["expires_on"]
        if day is not None and day < self.today:
            raise ValidationError(_("This day has passed. Choose today or later."))
        return day

    @property
    def expires_at(self) -> datetime | None:
        """The end of the last day, in the zone of the page."""
        day = self.cleaned_data["expires_on"]
        if day is None:
            return None
        return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


def _offer(form: forms.Form, name: str, choices: list[Any]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


def _with_note(label: Any, note: Any) -> str:
    return format_html('{} <span class="form-check-description">{}</span>', label, note)
