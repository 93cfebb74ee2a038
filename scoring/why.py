"""Why a lead has its score and its grade.

The decision says which version made the result. What its rules say is asked of the database by the same statement that set
it; where time or new facts have changed that since, and the result not yet, the decision's own words stand.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count as CountRows
from django.db.models import F, Max
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from leads.conditions.explain import VERDICT_WORDS, Explanation, explain_conditions, smallest_changes
from leads.conditions.language import Condition, list_leaves
from leads.conditions.logic import InList
from leads.conditions.operators import Arity
from leads.conditions.statements import Statement, cached_statement
from leads.models import Decision, DecisionKind, Event, Grade, LeadState, RuleKind, RuleVersion
from leads.versions import open_rulebook, parse_document
from leads.why import WhyPart, WhyRule
from scoring.documents import Count, Criterion, EventRule, GradeCriteria, LeadRule, ScoringModel, ScoringRule
from scoring.statements import LEAD_IDS, grade_plan, rule_counts, score_plan
from tenancy.models import Tenant
from tenancy.scope import require_tenant_id

MOST_CHANGES = 3


def explain_score(lead_id: int, now: datetime) -> list[WhyPart]:
    """The points of each rule, how many events it counted, and what would bring more."""
    score = LeadState.objects.values_list("score", flat=True).get(pk=lead_id)
    decision, model, number = _decided(lead_id, DecisionKind.SCORE, RuleKind.SCORING)
    if model is None:
        return [WhyPart(_("Score"), str(score), None, None, [])]
    assert isinstance(model, ScoringModel)
    values = _values(lead_id, now)
    ((_id, planned, points, _positive_at, _next_at),) = score_plan(model).rows(**values)
    if decision is not None and planned != score:
        said = decision.detail["points"]
        points = [Decimal(said.get(rule.id, "0")) for rule in model.rules]
        values["now"] = decision.at
    given = {rule.id: amount for rule, amount in zip(model.rules, points, strict=True)}
    seen = _events_seen(model, values)
    asked = explain_conditions({rule.id: rule.when for rule in model.lead_rules}, lead_id=lead_id, now=now)
    rules = [_rule_said(rule, given[rule.id], seen.get(rule.id), asked.get(rule.id)) for rule in model.rules]
    at = decision.at if decision else None
    return [WhyPart(_("Score"), str(score), number, at, rules, _more_points(model, given, lead_id, now))]


def explain_grade(lead_id: int, now: datetime) -> list[WhyPart]:
    """What each criterion says, and which would raise the grade."""
    grade = Grade(LeadState.objects.values_list("grade", flat=True).get(pk=lead_id))
    decision, criteria, number = _decided(lead_id, DecisionKind.GRADE, RuleKind.GRADING)
    if criteria is None:
        return [WhyPart(_("Grade"), grade.label, None, None, [])]
    assert isinstance(criteria, GradeCriteria)
    ((_id, planned, verdicts, _next_at),) = grade_plan(criteria).rows(**_values(lead_id, now))
    if decision is not None and planned != grade:
        said = decision.detail["verdicts"]
        verdicts = [said.get(criterion.id) for criterion in criteria.criteria]
    conditions = {criterion.id: criterion.when for criterion in criteria.criteria}
    asked = explain_conditions(conditions, lead_id=lead_id, now=now)
    rules = [
        WhyRule(
            criterion.id,
            str(criterion.label),
            VERDICT_WORDS[verdict],
            _steps_in_words(criterion, verdict),
            _inputs(asked[criterion.id]),
        )
        for criterion, verdict in zip(criteria.criteria, verdicts, strict=True)
    ]
    changes = _more_steps(criteria, verdicts, lead_id, now) if grade != Grade.A_PLUS else []
    at = decision.at if decision else None
    return [WhyPart(_("Grade"), grade.label, number, at, rules, changes)]


def _decided(lead_id: int, kind: DecisionKind, rules: RuleKind) -> tuple[Decision | None, Any, int | None]:
    """The newest decision, the rules of the version that made it, its number; before any decision the published rules."""
    newest = Decision.objects.filter(lead_id=lead_id, kind=kind, topic="").order_by("-id").first()
    version = RuleVersion.objects.filter(pk=newest.version_id).first() if newest else None
    if newest is not None and version is not None:
        return newest, parse_document(kind=rules, document=version.document), version.number
    published = open_rulebook().get(rules)
    return (None, published.rules, published.number) if published else (None, None, None)


def _values(lead_id: int, now: datetime) -> dict[str, Any]:
    zone = Tenant.objects.values_list("time_zone", flat=True).get(pk=require_tenant_id())
    return {"lead_ids": [lead_id], "now": now, "zone": zone}


def _events_seen(model: ScoringModel, values: Mapping[str, Any]) -> dict[str, tuple[int, datetime | None]]:
    """How many events each rule looks at, and when the newest occurred."""
    rules = model.event_rules
    if not rules:
        return {}
    rows = cached_statement(key=f"score.why:{model.fingerprint}", build=lambda: _build_seen(model)).rows(
        **values
    )
    if not rows:
        return {}
    ((_lead_id, *seen),) = rows
    return {rule.id: (seen[2 * index], seen[2 * index + 1]) for index, rule in enumerate(rules)}


def _build_seen(model: ScoringModel) -> Statement:
    columns: dict[str, Any] = {}
    for index, rule in enumerate(model.event_rules):
        columns[f"n_{index}"] = CountRows("pk", filter=rule_counts(rule))
        columns[f"l_{index}"] = Max("occurred_at", filter=rule_counts(rule))
    of_lead = Event.objects.filter(InList(F("lead_id"), LEAD_IDS)).order_by().values("lead_id")
    return Statement.of(of_lead.annotate(**columns).values_list("lead_id", *columns))


def _rule_said(
    rule: ScoringRule,
    points: Decimal,
    seen: tuple[int, datetime | None] | None,
    asked: Explanation | None,
) -> WhyRule:
    if isinstance(rule, LeadRule):
        assert asked is not None
        verdict = VERDICT_WORDS[True] if points else asked.verdict_word
        return WhyRule(rule.id, str(rule.label), verdict, _points_in_words(points, None), _inputs(asked))
    number, newest = seen or (0, None)
    inputs: list[dict[str, Any]] = [{"label": _("Events in the window"), "value": number}]
    if newest is not None:
        at = date_format(localtime(newest), "SHORT_DATETIME_FORMAT")
        inputs.append({"label": _("Newest"), "value": at})
    effect = _points_in_words(points, rule.cap)
    return WhyRule(rule.id, str(rule.label), VERDICT_WORDS[points != 0], effect, inputs)


def _inputs(asked: Explanation) -> list[dict[str, Any]]:
    return [{"label": read.label, "value": read.text} for read in asked.all_inputs()]


def signed(points: Decimal) -> str:
    """Points with their sign, in the active locale: "+20", "−2,5"."""
    words = number_format(abs(points).normalize() + 0, use_l10n=True)
    return f"+{words}" if points >= 0 else f"−{words}"


def _points_in_words(points: Decimal, cap: Decimal | None) -> str:
    if not points:
        return number_format(0)
    if cap is None:
        return signed(points)
    return _("%(points)s, capped at %(cap)s") % {"points": signed(points), "cap": _plain(cap)}


def _plain(number: Decimal) -> str:
    return signed(number).removeprefix("+")


def _steps_in_words(criterion: Criterion, verdict: bool | None) -> str:
    count = {"count": criterion.steps}
    if verdict is None:
        return _("no step")
    if verdict:
        return ngettext("%(count)s step up", "%(count)s steps up", criterion.steps) % count
    return ngettext("%(count)s step down", "%(count)s steps down", criterion.steps) % count


def _more_points(model: ScoringModel, given: Mapping[str, Decimal], lead_id: int, now: datetime) -> list[str]:
    """The rules that would give most, with how much: one more event, or what the lead would have to be."""
    if model.model_cap is not None and sum(given.values()) >= model.model_cap:
        return []
    gains = [(_gain(rule, given[rule.id]), rule) for rule in model.rules]
    best = sorted((gain for gain in gains if gain[0] > 0), key=lambda gain: -gain[0])[:MOST_CHANGES]
    return [
        _("%(change)s: %(points)s") % {"change": _change_of(rule, lead_id, now), "points": signed(gain)}
        for gain, rule in best
    ]


def _gain(rule: ScoringRule, points: Decimal) -> Decimal:
    if isinstance(rule, LeadRule) or rule.count is Count.FIRST:
        return rule.points if not points else Decimal(0)
    return rule.points if rule.cap is None else min(rule.points, rule.cap - points)


def _change_of(rule: ScoringRule, lead_id: int, now: datetime) -> str:
    if isinstance(rule, EventRule):
        return str(rule.label)
    changes = smallest_changes(rule.when, lead_id=lead_id, now=now, limit=1)
    return changes[0].text if changes else str(rule.label)


def _more_steps(
    criteria: GradeCriteria, verdicts: list[bool | None], lead_id: int, now: datetime
) -> list[str]:
    """The criteria that don't hold, those first that would lift the grade most: from false to true counts twice."""
    gains = [
        (criterion.steps * (1 if verdict is None else 2), criterion)
        for criterion, verdict in zip(criteria.criteria, verdicts, strict=True)
        if verdict is not True
    ]
    told: list[str] = []
    for gain, criterion in sorted(gains, key=lambda each: -each[0]):
        if len(told) == MOST_CHANGES or has_empty_list(criterion.when):
            continue
        changes = smallest_changes(criterion.when, lead_id=lead_id, now=now, limit=1)
        if changes:
            steps = ngettext("%(count)s step up", "%(count)s steps up", gain) % {"count": gain}
            told.append(_("%(change)s: %(steps)s") % {"change": changes[0].text, "steps": steps})
    return told


def has_empty_list(condition: Condition) -> bool:
    """Whether no lead can meet a part of it, because the tenant left its list empty."""
    return any(leaf.operator.arity is Arity.LIST and not leaf.values for leaf in list_leaves(condition))
