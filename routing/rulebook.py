"""Routing rules and clocks in words."""

from itertools import groupby

from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from leads.conditions.describe import describe_condition, show_number
from leads.models import RuleKind
from leads.rulebook import RuleGroup, RuleLine, register_rule_lines, sentence
from routing.business_time import Window, parse_week
from routing.models import Calendar, Pool, PoolMember, PoolTakes
from routing.policies import ClockPolicies, ShareAct, duration_in_words
from routing.rules import ROUTED, RoutingRules, Target, TargetKind
from routing.staff import read_staff
from routing.turns import Place, list_available
from tenancy.models import Membership, Team, TeamFunction


def routing_in_words(rules: RoutingRules) -> list[RuleGroup]:
    """For each function its rules in the order in which they are asked, the fallback pool last."""
    names = _target_names()
    groups = []
    for function in ROUTED:
        lines = [
            RuleLine(
                label=str(rule.label),
                detail=sentence(describe_condition(rule.when)) if rule.when else _("Every lead"),
                effect=_target(rule.to, names),
                tone="act",
                key=rule.id,
            )
            for rule in rules.of_function(function)
        ]
        if function in rules.fallback:
            pool = Target(TargetKind.POOL, rules.fallback[function])
            lines.append(RuleLine(label=_("Every other lead"), effect=_target(pool, names), key="*"))
        groups.append(RuleGroup(title=str(function.label), lines=lines))
    groups[0] = RuleGroup(
        title=groups[0].title, intro=_("The first rule that is met decides."), lines=groups[0].lines
    )
    return [*groups, _pools_in_words()]


def _pools_in_words() -> RuleGroup:
    """Who stands in each pool now."""
    staff = read_staff()
    named: dict[int, dict[int, tuple[int, int]]] = {}
    for pool_id, member_id, position, last_turn in PoolMember.objects.order_by(
        "position", "member_id"
    ).values_list("pool_id", "member_id", "position", "last_turn"):
        named.setdefault(pool_id, {})[member_id] = (position, last_turn)
    lines = []
    for pool in Pool.objects.order_by("function", "name"):
        turns = named.get(pool.pk, {})
        standing = list_available(takes=pool.takes, function=pool.function, named=list(turns), staff=staff)
        places = [Place(member_id, *turns.get(member_id, (0, 0))) for member_id in standing]
        names = ", ".join(staff.name(place.member_id) for place in sorted(places, key=Place.order))
        details = [_("Next in turn: %(names)s") % {"names": names} if names else _("Nobody stands in it now")]
        if pool.takes == PoolTakes.FUNCTION:
            details.append(_("While nobody has the role, the administrators stand in."))
        lines.append(
            RuleLine(
                label=pool.name,
                detail=" · ".join(details),
                effect=TeamFunction(pool.function).label,
                note=ngettext("%(count)s lead shared out", "%(count)s leads shared out", pool.turn)
                % {"count": show_number(pool.turn)},
            )
        )
    intro = _("Whoever has waited longest gets the next lead.")
    return RuleGroup(title=_("Pools"), intro=intro, lines=lines)


def _target_names() -> dict[tuple[TargetKind, str | int], str]:
    names: dict[tuple[TargetKind, str | int], str] = {}
    for kind, rows in (
        (TargetKind.POOL, Pool.objects.values_list("key", "name")),
        (TargetKind.TEAM, Team.objects.values_list("pk", "name")),
        (TargetKind.MEMBER, Membership.objects.values_list("pk", "name")),
    ):
        names |= {(kind, key): name for key, name in rows}
    return names


def _target(target: Target, names: dict[tuple[TargetKind, str | int], str]) -> str:
    return names.get((target.kind, target.key), _("gone"))


def clocks_in_words(rules: ClockPolicies) -> list[RuleGroup]:
    """Each clock with its time, and what happens at which share of it."""
    lines = [
        RuleLine(
            label=str(policy.kind.label),
            detail=" · ".join(share_in_words(percent, act) for percent, act in policy.shares),
            effect=duration_in_words(policy.duration),
            tone="act",
        )
        for policy in rules.policies.values()
    ]
    groups = [RuleGroup(lines=lines)]
    if _follows_calendar(rules):
        groups.append(_calendar_in_words())
    return groups


def _calendar_in_words() -> RuleGroup:
    """When working time runs: the default calendar."""
    calendar = Calendar.objects.get(is_default=True)
    lines = [RuleLine(label=days, detail=hours) for days, hours in week_in_words(parse_week(calendar.week))]
    if calendar.holiday_country:
        closed = _("National holidays of %(country)s") % {"country": calendar.holiday_country}
        lines.append(RuleLine(label=closed, detail=pgettext("office hours", "closed")))
    intro = _("Working time runs in these hours (%(zone)s).") % {"zone": calendar.time_zone}
    return RuleGroup(title=calendar.name, intro=intro, lines=lines)


def week_in_words(week: tuple[tuple[Window, ...], ...]) -> list[tuple[str, str]]:
    """Days and hours, equal days in a row together: ("Mon–Fri", "09:00–18:00"). Closed days are left out."""
    words: list[tuple[str, str]] = []
    for hours, days in groupby(range(len(week)), key=lambda day: week[day]):
        first, *rest = list(days)
        if hours:
            name = f"{WEEKDAYS_ABBR[first]}–{WEEKDAYS_ABBR[rest[-1]]}" if rest else str(WEEKDAYS_ABBR[first])
            words.append((name, ", ".join(f"{_clock(opens)}–{_clock(closes)}" for opens, closes in hours)))
    return words


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _follows_calendar(rules: ClockPolicies) -> bool:
    return any(not policy.is_elapsed for policy in rules.policies.values())


def share_in_words(percent: int, act: ShareAct) -> str:
    """What happens at a share of a clock's time."""
    words = {
        ShareAct.WARN: _("%(percent)s %%: warned"),
        ShareAct.BREAK: _("%(percent)s %%: broken, the team lead is told"),
        ShareAct.OFFER: _("%(percent)s %%: offered to the next person"),
        ShareAct.ESCALATE: _("%(percent)s %%: the managers are told"),
    }
    return words[act] % {"percent": percent}


def register_routing_rules() -> None:
    """Make the words known; called once, when the app is ready."""
    register_rule_lines(RuleKind.ROUTING, routing_in_words)
    register_rule_lines(RuleKind.CLOCKS, clocks_in_words)
