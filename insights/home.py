"""What the reports put on the home page: how the teams stand, for who oversees them; one's own numbers, for SDRs and reps."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from insights.deeds import ATTEMPT
from insights.oversight import ClockCounts, Load, get_oversight, local_midnight, waiting_stages
from insights.own_numbers import Figure, deed_figure, list_own_numbers
from leads.home_panels import HomePanel, register_home_panel
from leads.listing import TookTooLong, limited_to
from leads.matching import NOBODY
from routing.models import ClockKind, ClockState
from tenancy.fragments import answer_poll, poll_headers
from tenancy.models import Membership, TeamFunction, Tenant
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

OVERSIGHT = "insights/home_oversight.html"
RIGHT = "team.oversee"
# The home page waits no longer for these numbers; it asks for them again by themselves, and they take no longer than that.
HOME_MS: Final = 250
MOST_MS: Final = 1000
# In seconds; seldom where they took too long.
REFRESHED: Final = 15
SELDOM_REFRESHED: Final = 300


@dataclass(frozen=True)
class ClockRow:
    """One kind of clock: how many are in time, near, broken, and broken without anybody responsible."""

    label: str
    running: Figure
    near: Figure
    broken: Figure
    nobody: Figure


@dataclass(frozen=True)
class LoadRow:
    """What one person has before them."""

    name: str
    waiting: Figure
    going: Figure
    oldest_at: datetime | None
    attempts: Figure | None
    near: Figure
    broken: Figure


@tenant_page(right=RIGHT)
@require_safe
def oversight(request: TenantRequest) -> HttpResponse:
    """The managers' part of the home page by itself, to refresh it: 304 when nothing has changed."""
    if request.headers.get("HX-Request") != "true":
        return redirect("home", slug=request.tenant.slug)
    panel = _oversight(request.tenant, timezone.now(), MOST_MS)
    return answer_poll(request, etag=panel["etag"], draw=lambda: render(request, OVERSIGHT, {"panel": panel}))


def oversight_panel(member: Membership, tenant: Tenant, now: datetime) -> dict[str, Any] | None:
    """How the teams stand; None for who does not oversee them. Where that takes too long the browser asks for it alone."""
    if not may(member, RIGHT):
        return None
    panel = _oversight(tenant, now, HOME_MS)
    return panel | {"is_still_to_come": panel["is_too_slow"]}


def _oversight(tenant: Tenant, now: datetime, most_ms: int) -> dict[str, Any]:
    panel: dict[str, Any]
    try:
        with limited_to(most_ms):
            seen = get_oversight(tenant=tenant, now=now)
    except TookTooLong:
        panel = {"clocks": [], "groups": [], "is_too_slow": True, "url": _address(tenant)}
        return panel | {"refreshed": SELDOM_REFRESHED} | _poll(panel)
    lists = Lists(tenant, now)
    clocks = [
        ClockRow(
            str(kind.label),
            *lists.clocks(counts, kind=kind),
            lists.clocks(seen.without_owner.get(kind, ClockCounts()), kind=kind, owner=NOBODY)[2],
        )
        for kind, counts in seen.clocks.items()
    ]
    groups = [
        (str(function.label), [lists.load(load) for load in seen.loads if load.function is function])
        for function in (TeamFunction.SDR, TeamFunction.SALES)
    ]
    labels = {
        str(function.label): tuple(str(stage.label) for stage in waiting_stages(function))
        for function in (TeamFunction.SDR, TeamFunction.SALES)
    }
    panel = {
        "clocks": clocks,
        "groups": [(title, *labels[title], rows) for title, rows in groups if rows],
        "is_too_slow": False,
        "url": _address(tenant),
    }
    return panel | {"refreshed": REFRESHED} | _poll(panel)


def _address(tenant: Tenant) -> str:
    return reverse("team-oversight", kwargs={"slug": tenant.slug})


def own_panel(member: Membership, tenant: Tenant, now: datetime) -> dict[str, Any] | None:
    """One's own numbers; None for who has none."""
    numbers = list_own_numbers(member=member, tenant=tenant, now=now)
    return {"numbers": numbers} if numbers else None


class Lists:
    """Addresses of the list of leads behind the figures."""

    def __init__(self, tenant: Tenant, now: datetime) -> None:
        self._list = reverse("lead-list", kwargs={"slug": tenant.slug})
        self._tenant, self._today = tenant, local_midnight(tenant=tenant, now=now)

    def clocks(
        self, counts: ClockCounts, *, kind: ClockKind | None = None, owner: int | str = ""
    ) -> tuple[Figure, Figure, Figure]:
        """In time, near and broken, of one kind or all, of one owner or all."""
        running, broken = ClockState.RUNNING.value, ClockState.BROKEN.value
        near = {"fact": "open_clock_warned", "op": "gt", "value": 0}
        calm = {"fact": "open_clock_warned", "op": "eq", "value": 0}
        asked = [
            (counts.running, running, [calm]),
            (counts.near, running, [near]),
            (counts.broken, broken, []),
        ]
        first, second, third = (
            Figure(value, value, self._clock_list(state, [*also, *_kinds(kind)], owner))
            for value, state, also in asked
        )
        return first, second, third

    def _clock_list(self, state: str, also: list[Mapping[str, Any]], owner: int | str) -> str:
        parts = [{"fact": "open_clock", "op": "eq", "value": state}, *also]
        asked = {"filter": json.dumps({"all": parts}), "owner": str(owner), "order": "stage_at"}
        return f"{self._list}?{urlencode({name: value for name, value in asked.items() if value})}"

    def load(self, load: Load) -> LoadRow:
        """One person's row."""
        waiting, going = waiting_stages(load.function)
        _running, near, broken = self.clocks(load.clocks, owner=load.member.pk)
        return LoadRow(
            name=load.member.name,
            waiting=self._held(load.waiting, waiting.value, load.member.pk),
            going=self._held(load.going, going.value, load.member.pk),
            oldest_at=load.oldest_at,
            attempts=self._attempts(load) if load.function is TeamFunction.SDR else None,
            near=near,
            broken=broken,
        )

    def _held(self, count: int, stage: str, owner: int) -> Figure:
        query = urlencode({"stage": stage, "owner": str(owner), "order": "stage_at"})
        return Figure(count, count, f"{self._list}?{query}")

    def _attempts(self, load: Load) -> Figure:
        return deed_figure(
            ATTEMPT,
            member_id=load.member.pk,
            since=self._today,
            done=load.attempts_today,
            tenant=self._tenant,
        )


def _kinds(kind: ClockKind | None) -> list[Mapping[str, Any]]:
    return [{"fact": "open_clock_kind", "op": "eq", "value": kind.value}] if kind else []


def _poll(panel: Mapping[str, Any]) -> dict[str, str]:
    """What tells whether the panel changed, and the header by which the browser asks."""
    text = json.dumps([panel["clocks"], panel["groups"], translation.get_language()], default=vars_or_text)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    return {"etag": etag, "poll_headers": poll_headers(etag)}


def vars_or_text(value: object) -> object:
    """A dataclass as its fields, an instant as text."""
    return value.isoformat() if isinstance(value, datetime) else vars(value)


def register_home_parts() -> None:
    """Put the reports' parts on the home page; called once, when the app is ready."""
    register_home_panel(HomePanel("oversight", OVERSIGHT, oversight_panel, order=10))
    register_home_panel(HomePanel("own-numbers", "insights/home_own_numbers.html", own_panel, order=20))
