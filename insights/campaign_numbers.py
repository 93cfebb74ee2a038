"""A campaign's numbers as pages show them, with the leads behind each."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import formats
from django.utils.html import format_html

from insights.campaign_figures import By, Figures
from insights.facts import BROUGHT_BY, TOUCHED_BY
from insights.models import Campaign
from leads.models import FORWARD_STAGES, Stage
from leads.money import amount_in_units, minor_digits
from tenancy.listing import show_number
from tenancy.markup import quiet
from tenancy.models import Tenant


def read_by(given: Mapping[str, Any]) -> By:
    """How an address counts leads: by their first touch where it does not say any."""
    return "any" if given.get("by") == "any" else "first"


class Numbers:
    """A campaign's numbers as they are shown, with the leads behind each."""

    def __init__(self, campaign: Campaign, figures: Figures, by: By, tenant: Tenant) -> None:
        self._campaign, self._figures, self._by = campaign, figures, by
        self._currency = tenant.currency
        self._list = reverse("lead-list", kwargs={"slug": tenant.slug})

    @property
    def touched(self) -> str:
        return self._leads(self._figures.touched, TOUCHED_BY)

    @property
    def brought(self) -> str:
        return self._leads(self._figures.brought, BROUGHT_BY)

    def reached(self, stage: Stage) -> str:
        return self._leads(self._figures.reached[stage], self._fact, stage)

    @property
    def revenue(self) -> str:
        words = self.amount(self._figures.revenue_minor)
        url = self.url(self._fact, Stage.CUSTOMER)
        return (
            format_html('<a class="num" href="{}">{}</a>', url, words)
            if self._figures.revenue_minor
            else quiet("—")
        )

    @property
    def roi(self) -> str:
        roi = self._figures.roi
        if roi is None:
            return quiet("—")
        tone = "good" if roi >= 0 else "late"
        words = formats.number_format(roi, 1, use_l10n=True, force_grouping=True)
        return format_html('<span class="num tone-{}">{} %</span>', tone, words)

    def amount(self, minor: int) -> str:
        """Money as the reader writes it; the currency is the account's, and stands above."""
        digits = minor_digits(self._currency)
        units = amount_in_units(minor, currency=self._currency)
        return formats.number_format(units, decimal_pos=digits, use_l10n=True, force_grouping=True)

    def cost(self, minor: int | None) -> str:
        return (
            format_html('<span class="num">{}</span>', self.amount(minor))
            if minor is not None
            else quiet("—")
        )

    def url(self, fact: str, stage: Stage | None = None) -> str:
        """The list of the leads that a number counts."""
        parts: list[dict[str, Any]] = [{"fact": fact, "op": "has_any", "value": [str(self._campaign.pk)]}]
        if stage is not None:
            reached = [each.value for each in FORWARD_STAGES[FORWARD_STAGES.index(stage) :]]
            parts.append({"fact": "furthest_stage", "op": "in", "value": reached})
        return f"{self._list}?{urlencode({'filter': json.dumps({'all': parts})})}"

    @property
    def _fact(self) -> str:
        return TOUCHED_BY if self._by == "any" else BROUGHT_BY

    def _leads(self, count: int, fact: str, stage: Stage | None = None) -> str:
        if not self._figures.is_known:
            return quiet("…")
        return format_html('<a class="num" href="{}">{}</a>', self.url(fact, stage), show_number(count))
