"""How the routing rules are edited."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.models import RuleKind
from leads.rule_forms import (
    ChoiceEntry,
    ConditionEntry,
    DocumentForm,
    HiddenEntry,
    LabelEntry,
    Option,
    Posted,
    RowKind,
    register_document_form,
)
from routing.models import Pool
from routing.rules import ROUTED, TargetKind
from tenancy.models import MemberKind, Membership, Team, TeamFunction


@dataclass(frozen=True, kw_only=True)
class TargetEntry(ChoiceEntry):
    """Who gets the lead: a pool, a team or a person, as ``{"pool": KEY}`` in the document and ``pool:KEY`` in the field."""

    options: Callable[[], list[Option]] = list

    def read(self, posted: Posted) -> Any:
        kind, _colon, key = posted.text(self.path).partition(":")
        if not key:
            return None
        is_id = kind != TargetKind.POOL and key.isascii() and key.isdigit() and len(key) < 19
        return {kind: int(key) if is_id else key}

    def show(self, value: Any) -> dict[str, Any]:
        chosen = ""
        if isinstance(value, dict) and len(value) == 1:
            ((kind, key),) = value.items()
            chosen = f"{kind}:{key}"
        groups = _targets()
        known = {option for _title, options in groups for option, _label in options}
        gone = [("", [(chosen, _("gone"))])] if chosen and chosen not in known else []
        return {"value": chosen, "groups": [*gone, *groups]}


def _targets() -> list[tuple[str, list[Option]]]:
    pools = Pool.objects.order_by("function", "name").values_list("key", "name", "function")
    teams = Team.objects.filter(function__in=ROUTED).order_by("function", "name")
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True).order_by("name", "pk")
    return [
        (_("Pools"), [(f"pool:{key}", _in(name, function)) for key, name, function in pools]),
        (
            _("Teams"),
            [
                (f"team:{pk}", _in(name, function))
                for pk, name, function in teams.values_list("pk", "name", "function")
            ],
        ),
        (_("People"), [(f"member:{pk}", name) for pk, name in people.values_list("pk", "name")]),
    ]


def _in(name: str, function: str) -> str:
    return f"{name} ({TeamFunction(function).label})"


def _functions() -> list[Option]:
    return [(function.value, str(function.label)) for function in ROUTED]


def _pools(function: TeamFunction) -> list[Option]:
    return list(Pool.objects.filter(function=function).order_by("name").values_list("key", "name"))


ROUTING_FORM = DocumentForm(
    kind=RuleKind.ROUTING,
    title=gettext_lazy("Rules"),
    rows="rules",
    is_ordered=True,
    intro=gettext_lazy(
        "The first rule of the function that is met decides, from top to bottom. Every other lead goes to the pool "
        "that is named for the rest."
    ),
    empty=gettext_lazy("Without a rule every lead goes to the pool for the rest."),
    entries=[
        ChoiceEntry(
            path=f"fallback.{function.value}",
            label=label,
            options=partial(_pools, function),
            width=6,
        )
        for function, label in (
            (TeamFunction.SDR, gettext_lazy("Pool for the rest, SDR")),
            (TeamFunction.SALES, gettext_lazy("Pool for the rest, sales")),
        )
    ],
    row_kinds=[
        RowKind(
            key="rule",
            add_label=gettext_lazy("Rule"),
            blank={"function": TeamFunction.SDR.value},
            entries=[
                HiddenEntry(path="id"),
                LabelEntry(path="label", label=gettext_lazy("Name")),
                ChoiceEntry(
                    path="function", label=gettext_lazy("For leads that go to"), options=_functions, width=6
                ),
                TargetEntry(
                    path="to",
                    label=gettext_lazy("Goes to"),
                    help=gettext_lazy("In a team's queue the lead waits without an owner."),
                    width=6,
                ),
                ConditionEntry(
                    path="when",
                    label=gettext_lazy("Leads of which"),
                    nothing=gettext_lazy("No condition: every lead that comes this far."),
                ),
            ],
        )
    ],
)


def register_routing_form() -> None:
    """Make the form known; called once, when the app is ready."""
    register_document_form(ROUTING_FORM)
