"""Routing rules and clocks in words."""

from django.utils.translation import gettext as _

from leads.conditions.describe import describe_condition
from leads.models import RuleKind
from leads.rulebook import RuleGroup, RuleLine, register_rule_lines, sentence
from routing.models import Pool
from routing.policies import ClockPolicies, ShareAct, duration_in_words
from routing.rules import ROUTED, RoutingRules, Target, TargetKind
from tenancy.models import Membership, Team


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
            )
            for rule in rules.of_function(function)
        ]
        if function in rules.fallback:
            pool = Target(TargetKind.POOL, rules.fallback[function])
            lines.append(RuleLine(label=_("Every other lead"), effect=_target(pool, names)))
        groups.append(RuleGroup(title=str(function.label), lines=lines))
    groups[0] = RuleGroup(
        title=groups[0].title, intro=_("The first rule that is met decides."), lines=groups[0].lines
    )
    return groups


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
            detail=" · ".join(_share(percent, act) for percent, act in policy.shares),
            effect=duration_in_words(policy.duration),
            tone="act",
        )
        for policy in rules.policies.values()
    ]
    intro = _("Working time follows the calendar of the tenant.") if _follows_calendar(rules) else ""
    return [RuleGroup(intro=intro, lines=lines)]


def _follows_calendar(rules: ClockPolicies) -> bool:
    return any(not policy.is_elapsed for policy in rules.policies.values())


def _share(percent: int, act: ShareAct) -> str:
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
