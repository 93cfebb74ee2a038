"""Routing rules: who gets a lead. The first rule that is true decides; a lead for which none is goes to the fallback pool.

The document (kind ``routing``)::

    {"rules": [{"id": "large", "label": "Large companies", "function": "sdr",
                "when": {"fact": "company_size", "op": "gte", "value": 500}, "to": {"pool": "enterprise"}}],
     "fallback": {"sdr": "sdr-fallback", "sales": "sales-fallback"}}

``when`` is a condition or null (always). ``to`` names one of ``pool`` (its key), ``team`` (its id: the lead waits in the
team's queue without an owner) and ``member`` (their id). A target that is gone counts as one with nobody in it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from leads.conditions.language import Condition, InvalidCondition, content_hash, parse_condition
from leads.labels import Label, read_label
from leads.versions import InvalidDocument, path_problem
from routing.models import Pool
from tenancy.errors import FieldProblem
from tenancy.models import MemberKind, Membership, Team, TeamFunction

MAX_RULES: Final = 200
KEY: Final = re.compile(r"[a-z0-9_-]{1,40}")
ROUTED: Final = (TeamFunction.SDR, TeamFunction.SALES)
_RULE_KEYS: Final = frozenset({"id", "label", "function", "when", "to"})


class TargetKind(StrEnum):
    """What a rule sends leads to."""

    POOL = "pool"
    TEAM = "team"
    MEMBER = "member"


@dataclass(frozen=True)
class Target:
    """A pool by its key, or a team or member by id."""

    kind: TargetKind
    key: str | int


@dataclass(frozen=True)
class RoutingRule:
    """Leads of one function that meet the condition go to the target."""

    id: str
    label: Label
    function: TeamFunction
    when: Condition | None
    to: Target


@dataclass(frozen=True)
class RoutingRules:
    """The parsed document. ``text_key`` is equal for rules whose conditions compile to the same text."""

    rules: tuple[RoutingRule, ...]
    fallback: Mapping[TeamFunction, str]
    text_key: str

    @property
    def conditional(self) -> tuple[RoutingRule, ...]:
        """The rules that ask something, in the order of the document."""
        return tuple(rule for rule in self.rules if rule.when is not None)

    def of_function(self, function: TeamFunction) -> tuple[RoutingRule, ...]:
        """The rules of one function, in the order of the document."""
        return tuple(rule for rule in self.rules if rule.function is function)


def parse_routing(document: Any) -> RoutingRules:
    """The typed rules of a document. Raises InvalidDocument naming every fault by its JSON path.

    Facts that were retired and targets that are gone are let through: what was published stays readable.
    """
    return _parse(document, is_draft=False)


def parse_routing_draft(document: Any) -> RoutingRules:
    """As ``parse_routing``, for a new draft: every fact may be used now and every target exists."""
    return _parse(document, is_draft=True)


def _parse(document: Any, *, is_draft: bool) -> RoutingRules:
    problems: list[FieldProblem] = []
    if not isinstance(document, dict) or document.keys() - {"rules", "fallback"}:
        raise InvalidDocument(_("Give routing rules as an object of rules and fallback."))
    rules = _read_rules(document.get("rules"), problems, allow_retired=not is_draft)
    fallback = _read_fallback(document.get("fallback"), problems)
    if is_draft and not problems:
        problems += _missing_targets(rules, fallback)
    if problems:
        raise InvalidDocument(_("The routing rules have faults."), errors=problems)
    conditions = [content_hash(rule.when) for rule in rules if rule.when is not None]
    return RoutingRules(rules, fallback, hashlib.sha256(" ".join(conditions).encode()).hexdigest())


def _missing_targets(
    rules: Sequence[RoutingRule], fallback: Mapping[TeamFunction, str]
) -> Iterator[FieldProblem]:
    """The places that name a pool, team or member that the tenant does not have in that function."""
    pools = set(Pool.objects.values_list("key", "function"))
    teams = set(Team.objects.values_list("id", "function"))
    members = set(
        Membership.objects.filter(kind=MemberKind.PERSON, is_active=True).values_list("id", flat=True)
    )
    for index, rule in enumerate(rules):
        place = (rule.to.key, rule.function.value)
        found = {
            TargetKind.POOL: place in pools,
            TargetKind.TEAM: place in teams,
            TargetKind.MEMBER: rule.to.key in members,
        }
        if not found[rule.to.kind]:
            message = _("There is no such %(kind)s in %(function)s.")
            values = {"kind": rule.to.kind.value, "function": rule.function.label}
            yield path_problem(f"rules[{index}].to.{rule.to.kind}", message % values)
    for function, key in fallback.items():
        if (key, function.value) not in pools:
            message = _("There is no pool “%(key)s” in %(function)s.")
            yield path_problem(f"fallback.{function}", message % {"key": key, "function": function.label})


def _read_rules(raw: Any, problems: list[FieldProblem], *, allow_retired: bool) -> tuple[RoutingRule, ...]:
    if not isinstance(raw, list) or len(raw) > MAX_RULES:
        problems.append(
            path_problem("rules", _("Give a list of at most %(count)s rules.") % {"count": MAX_RULES})
        )
        return ()
    read = [
        _read_rule(item, f"rules[{index}]", problems, allow_retired=allow_retired)
        for index, item in enumerate(raw)
    ]
    rules = tuple(rule for rule in read if rule is not None)
    ids = [rule.id for rule in rules]
    problems.extend(
        path_problem("rules", _("The rule id “%(id)s” stands here twice.") % {"id": twice})
        for twice in sorted({each for each in ids if ids.count(each) > 1})
    )
    return rules


def _read_rule(
    raw: Any, path: str, problems: list[FieldProblem], *, allow_retired: bool
) -> RoutingRule | None:
    if not isinstance(raw, dict) or raw.keys() != _RULE_KEYS:
        problems.append(
            path_problem(path, _("Give a rule as an object of id, label, function, when and to."))
        )
        return None
    before = len(problems)
    if not isinstance(raw["id"], str) or not KEY.fullmatch(raw["id"]):
        problems.append(path_problem(f"{path}.id", _("Use lower-case letters, digits, - and _, at most 40.")))
    label = read_label(raw["label"], path=f"{path}.label", problems=problems)
    if raw["function"] not in ROUTED:
        problems.append(path_problem(f"{path}.function", _("Give sdr or sales.")))
    when = _read_when(raw["when"], f"{path}.when", problems, allow_retired=allow_retired)
    to = _read_target(raw["to"], f"{path}.to", problems)
    if len(problems) > before or label is None or to is None:
        return None
    return RoutingRule(raw["id"], label, TeamFunction(raw["function"]), when, to)


def _read_when(raw: Any, path: str, problems: list[FieldProblem], *, allow_retired: bool) -> Condition | None:
    if raw is None:
        return None
    try:
        return parse_condition(raw, allow_retired=allow_retired)
    except InvalidCondition as invalid:
        problems.extend(
            path_problem(f"{path}.{error.path}" if error.path else path, error.message)
            for error in invalid.errors
        )
        return None


def _read_target(raw: Any, path: str, problems: list[FieldProblem]) -> Target | None:
    if isinstance(raw, dict) and len(raw) == 1:
        ((kind, key),) = raw.items()
        if kind == TargetKind.POOL and isinstance(key, str) and KEY.fullmatch(key):
            return Target(TargetKind.POOL, key)
        is_id = isinstance(key, int) and not isinstance(key, bool) and 0 < key < 2**63
        if kind in {TargetKind.TEAM, TargetKind.MEMBER} and is_id:
            return Target(TargetKind(kind), key)
    problems.append(
        path_problem(path, _("Name one target: a pool by its key, a team or a member by its id."))
    )
    return None


def _read_fallback(raw: Any, problems: list[FieldProblem]) -> dict[TeamFunction, str]:
    if not isinstance(raw, dict) or raw.keys() != set(ROUTED):
        problems.append(path_problem("fallback", _("Name the fallback pools of sdr and sales.")))
        return {}
    for function, key in raw.items():
        if not isinstance(key, str) or not KEY.fullmatch(key):
            problems.append(path_problem(f"fallback.{function}", _("Name a pool by its key.")))
    return {TeamFunction(function): key for function, key in raw.items()}
