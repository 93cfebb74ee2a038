"""Why this owner, and what the clocks do: routing's answers to "why"."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from leads.conditions.explain import VERDICT_WORDS, Explanation, explain_records
from leads.lifecycle import STAGE_FUNCTION
from leads.models import Decision, DecisionKind, LeadState, RuleVersion, Stage
from leads.ownership import OwnedBy
from leads.versions import parse_document
from leads.why import WhyPart, WhyRule
from routing.assignment import How
from routing.clocks import Timer
from routing.models import Clock, ClockKind, ClockState
from routing.policies import RECOUNTED, ShareAct, duration_in_words
from routing.rules import RoutingRules
from routing.selectors import TimedClock, list_lead_clocks
from tenancy.models import TeamFunction

TRUE, FALSE = VERDICT_WORDS[True], VERDICT_WORDS[False]


# The owner -------------------------------------------------------------------------------------------------------


def explain_owner(lead_id: int, now: datetime) -> list[WhyPart]:
    """Why the lead has the owner it has in the function that holds its stage; in marketing's hands, the last one it got."""
    state = LeadState.objects.select_related(
        "owner_marketing", "owner_sdr", "owner_sales", "kept_sdr", "kept_sales", "team_sdr", "team_sales"
    ).get(pk=lead_id)
    function = STAGE_FUNCTION.get(Stage(state.stage), TeamFunction.MARKETING)
    decisions = Decision.objects.filter(lead_id=lead_id, kind=DecisionKind.OWNER).order_by("-id")
    if function is not TeamFunction.MARKETING:
        decisions = decisions.filter(topic=function)
    decision = decisions.first()
    if decision is None:
        name, words = _owner_now(state, function)
        rules = _told_by_a_file(state, function)
        return [WhyPart(_title(function), name, None, None, rules, words=words)]
    version = RuleVersion.objects.filter(pk=decision.version_id).first() if decision.version_id else None
    function = TeamFunction(decision.topic)
    name, words = _owner_now(state, function)
    return [
        WhyPart(
            title=_title(function),
            result=name,
            words=words,
            version=version.number if version else None,
            at=decision.at,
            rules=_rules_of_owner(decision, version),
        )
    ]


def _title(function: TeamFunction) -> str:
    return {
        TeamFunction.MARKETING: _("Owner in marketing"),
        TeamFunction.SDR: _("SDR"),
        TeamFunction.SALES: _("Sales rep"),
    }[function]


def _owner_now(state: Any, function: TeamFunction) -> tuple[str, str]:
    """The owner's name, empty without one; and in words."""
    owner = getattr(state, f"owner_{function}")
    if owner is not None:
        return owner.name, owner.name
    team = getattr(state, f"team_{function}", None)
    if team is not None:
        return "", _("In the queue of %(team)s") % {"team": team.name}
    return "", _("Nobody")


def _told_by_a_file(state: Any, function: TeamFunction) -> list[WhyRule]:
    kept = getattr(state, f"kept_{function}", None)
    if kept is not None:
        label = _("A file names %(person)s, who is not a member here") % {"person": kept.text}
        return [WhyRule("kept", label, TRUE, "")]
    if getattr(state, f"owner_{function}") is not None:
        return [WhyRule("file", _("A file names the owner"), TRUE, "")]
    return []


def _rules_of_owner(decision: Decision, version: RuleVersion | None) -> list[WhyRule]:
    detail: Mapping[str, Any] = decision.detail
    how = detail.get("how")
    if how in list(OwnedBy):
        return [_by_an_act(OwnedBy(how), detail, decision.result)]
    rules = [] if version is None else _verdicts(version, detail, decision.result)
    return [*_causes(detail), *rules, _by_turn(How(detail["how"]), detail, decision.result)]


def _by_an_act(how: OwnedBy, detail: Mapping[str, Any], owner: str) -> WhyRule:
    label = {
        OwnedBy.CLAIM: _("Claimed from the queue"),
        OwnedBy.CLAIM_LAPSED: _("The claim lapsed without an act"),
        OwnedBy.ATTEMPT: _("Made the first contact attempt"),
        OwnedBy.ACCEPT: _("Accepted the SQL"),
        OwnedBy.ASSIGN: _("Assigned by hand"),
    }[how]
    inputs = [{"label": _("By"), "value": detail["by"]}] if detail.get("by") else []
    return WhyRule(how.value, label, TRUE, owner or _("Nobody"), inputs)


def _causes(detail: Mapping[str, Any]) -> list[WhyRule]:
    cause = detail.get("cause") or {}
    if "late" in cause:
        label = _("The clock “%(clock)s” was late, so the lead was offered to the next person")
        clock = ClockKind(cause["late"]).label
        return [WhyRule("late", label % {"clock": clock}, TRUE, "")]
    if detail.get("former") is not None:
        return [WhyRule("former", _("The earlier owner is no longer active"), TRUE, "")]
    return []


def _verdicts(version: RuleVersion, detail: Mapping[str, Any], owner: str) -> list[WhyRule]:
    """What each rule said then, with the inputs it read then."""
    rules: RoutingRules = parse_document(kind=version.kind, document=version.document)
    by_id = {rule.id: rule for rule in rules.rules}
    recorded = [row for row in detail["rules"] if row["id"] in by_id]
    explained = explain_records(
        {
            row["id"]: (condition, row["record"])
            for row in recorded
            if row["record"] is not None and (condition := by_id[row["id"]].when) is not None
        }
    )
    return [
        WhyRule(
            id=row["id"],
            label=str(by_id[row["id"]].label),
            verdict=VERDICT_WORDS[row["verdict"]],
            effect=_effect(detail, owner) if row["id"] == detail["rule"] else "",
            inputs=_inputs(explained.get(row["id"])),
        )
        for row in recorded
    ]


def _inputs(explanation: Explanation | None) -> list[dict[str, Any]]:
    if explanation is None:
        return []
    return [{"label": read.label, "value": read.text} for read in explanation.all_inputs()]


def _effect(detail: Mapping[str, Any], owner: str) -> str:
    if detail["how"] == How.POOL:
        return _("to the pool %(pool)s") % {"pool": detail["pool"]["name"]}
    if detail["how"] in {How.TEAM, How.MEMBER}:
        return _("to %(name)s") % {"name": owner}
    return _("nobody available")


def _by_turn(how: How, detail: Mapping[str, Any], owner: str) -> WhyRule:
    """How the rules' answer became a person."""
    if how is How.NOBODY:
        label = _("Nobody is available, in the fallback pool neither")
        return WhyRule("nobody", label, TRUE, _("Nobody"))
    if how is How.TEAM:
        return WhyRule("team", _("Waits in the team's queue until somebody takes it"), TRUE, owner)
    if how is How.MEMBER:
        return WhyRule("member", _("The rule names a person"), TRUE, owner)
    words = (
        _("Whose turn it was in the pool %(pool)s")
        if how is How.POOL
        else _("No rule gave anybody. Whose turn it was in the fallback pool %(pool)s")
    )
    waited = [
        {"label": name, "value": _("last turn %(turn)s") % {"turn": turn} if turn else _("no turn yet")}
        for name, turn in detail["waited"]
    ]
    effect = _("%(name)s, turn %(turn)s") % {"name": owner, "turn": detail["turn"]}
    return WhyRule("turn", words % {"pool": detail["pool"]["name"]}, TRUE, effect, waited)


# The clocks ------------------------------------------------------------------------------------------------------


def explain_clocks(lead_id: int, now: datetime) -> list[WhyPart]:
    """One answer for each clock of the lead, the open ones first: what started it, its shares, what came of them."""
    clocks = list_lead_clocks(lead_id=lead_id, now=now)
    if not clocks:
        return []
    numbers = dict(
        RuleVersion.objects.filter(pk__in={timed.clock.version_id for timed in clocks}).values_list(
            "pk", "number"
        )
    )
    decisions = list(Decision.objects.filter(lead_id=lead_id, kind=DecisionKind.CLOCK).order_by("id"))
    return [
        WhyPart(
            title=timed.label,
            result=str(timed.clock.state),
            words=clock_in_words(timed, now),
            version=numbers[timed.clock.version_id],
            at=timed.clock.started_at,
            rules=_rules_of_clock(
                timed, [each for each in decisions if each.detail.get("clock") == timed.clock.pk]
            ),
        )
        for timed in clocks
    ]


def clock_in_words(timed: TimedClock[Clock], now: datetime) -> str:
    """How a clock stands, with the instants."""
    clock = timed.clock
    due = instant_in_words(clock.due_at)
    if clock.state == ClockState.MET:
        words = _("Met late, at %(met)s; it was due at %(due)s")
        if clock.broken_at is None:
            words = _("Met at %(met)s; it was due at %(due)s")
        return words % {"met": instant_in_words(clock.met_at), "due": due}
    if clock.state == ClockState.CANCELLED:
        return _("Cancelled; it was due at %(due)s") % {"due": due}
    if clock.broken_at is not None or clock.due_at <= now:
        return _("Late since %(due)s") % {"due": due}
    return _("Due at %(due)s") % {"due": due}


def instant_in_words(at: datetime | None) -> str:
    """An instant in the reader's zone and format."""
    return date_format(localtime(at), "SHORT_DATETIME_FORMAT") if at else "—"


def _rules_of_clock(timed: TimedClock[Clock], decisions: Iterable[Decision]) -> list[WhyRule]:
    clock, timer = timed.clock, Timer(timed.hours)
    acted = {each.detail["percent"]: each.detail for each in decisions if each.result in list(ShareAct)}
    rules = [
        WhyRule(
            # Names the kind of clock to machines, which get no title.
            str(clock.kind),
            start_in_words(ClockKind(clock.kind)),
            TRUE,
            instant_in_words(clock.started_at),
            [
                {
                    "label": pgettext("length of a clock", "Time"),
                    "value": duration_in_words(timed.policy.duration),
                }
            ],
        )
    ]
    rules += [
        WhyRule("calendar-changed", _recount_in_words(each.detail), TRUE, instant_in_words(each.at), [])
        for each in decisions
        if each.result == RECOUNTED
    ]
    for percent, act in timed.policy.shares:
        at = timer.share(clock.started_at, clock.due_at, percent, timed.policy)
        rules.append(
            WhyRule(
                f"share-{percent}",
                _share_in_words(act, percent),
                TRUE if percent in acted else FALSE,
                instant_in_words(at),
                _share_inputs(acted.get(percent, {})),
            )
        )
    met = end_in_words(ClockKind(clock.kind))
    rules.append(WhyRule("met", met, TRUE if clock.met_at else FALSE, instant_in_words(clock.met_at)))
    return rules


def _recount_in_words(detail: Mapping[str, Any]) -> str:
    before, after = (datetime.fromisoformat(detail[name]) for name in ("was_due_at", "due_at"))
    return _("The calendar changed: due at %(after)s, no longer at %(before)s") % {
        "before": instant_in_words(before),
        "after": instant_in_words(after),
    }


def start_in_words(kind: ClockKind) -> str:
    """What starts a clock of a kind."""
    return {
        ClockKind.FIRST_CONTACT: _("Became an MQL"),
        ClockKind.ASKED_FOR_CONTACT: _("Asked for contact and became an MQL"),
        ClockKind.ANSWER_SQL: _("Offered to sales"),
        ClockKind.BACK_TO_NURTURE: _("Sales handed the lead back for marketing to decide"),
    }[kind]


def end_in_words(kind: ClockKind) -> str:
    """What meets a clock of a kind."""
    return {
        ClockKind.FIRST_CONTACT: _("Met by the first contact attempt"),
        ClockKind.ASKED_FOR_CONTACT: _("Met by the first contact attempt"),
        ClockKind.ANSWER_SQL: _("Met by accepting or rejecting"),
        ClockKind.BACK_TO_NURTURE: _("Met by enrolment in a sequence or by disqualifying"),
    }[kind]


def _share_in_words(act: ShareAct, percent: int) -> str:
    return {
        ShareAct.WARN: _("%(percent)s %% of the time: warn the owner, or the team lead if there is none"),
        ShareAct.BREAK: _("%(percent)s %%: broken, the team lead is told"),
        ShareAct.OFFER: _("%(percent)s %%: offered to the next person"),
        ShareAct.ESCALATE: _("%(percent)s %%: the managers are told"),
    }[act] % {"percent": percent}


def _share_inputs(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not detail:
        return []
    inputs = [{"label": _("Owner then"), "value": detail.get("owner_name") or _("Nobody")}]
    if "to" in detail:
        to = detail["to_name"] or (_("the team's queue") if detail["moved"] else _("nobody else"))
        inputs.append({"label": _("Given to"), "value": to})
    return inputs
