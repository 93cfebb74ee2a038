"""What the reports let conditions ask about a lead: the campaigns that brought or touched it."""

from functools import partial
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.utils.translation import gettext_lazy as _

from insights.models import Campaign, CampaignLead
from leads.conditions.facts import Choice, Fact, Rows, register_fact
from leads.conditions.lead_facts import SOURCE
from leads.conditions.operators import FactType, Label

TOUCHED_BY = "campaigns"
BROUGHT_BY = "first_campaigns"


def register_campaign_facts() -> None:
    """Make the facts known; called once, when the app is ready."""
    register_fact(fact=_fact(TOUCHED_BY, _("Touched by campaigns"), _touched))
    register_fact(fact=_fact(BROUGHT_BY, _("Brought by campaigns"), _brought))


def _fact(key: str, label: Label, queryset: Any) -> Fact:
    rows = Rows(queryset, "key")
    return Fact(
        key=key,
        label=label,
        group=SOURCE,
        type=FactType.TAGS,
        expression=partial(_keys, rows),
        rows=rows,
        choices=_choices,
        is_fast=True,
        is_always_known=True,
    )


def _keys(rows: Rows) -> Any:
    return ArraySubquery(rows.of_lead().order_by("key").values("key"))


def _touched() -> Any:
    return CampaignLead.objects.all()


def _brought() -> Any:
    return CampaignLead.objects.filter(is_first=True)


def _choices() -> list[Choice]:
    return [
        Choice(str(pk), name)
        for pk, name in Campaign.objects.order_by("name", "pk").values_list("pk", "name")
    ]
