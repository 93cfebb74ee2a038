"""Why a lead is rejected, lost, sent to nurture or disqualified: the tenant's lists, and where each reason leads.

The document (kind ``reasons``)::

    {"reject": [{"key": "no_budget", "label": {"en": "No budget", "pt-br": "Sem orçamento"},
                 "target": "nurture", "sequence": "re_engagement"}, …],
     "lose": […], "nurture": […], "disqualify": […]}

``target`` is the stage the lead comes to; left out it is nurture, for disqualify always disqualified. A reason that leads to
nurture names a ``sequence``, which enrols the lead at once, or leaves the decision to marketing (null). One that is
``"retired": true`` is offered and taken no more, and still says what it meant for the leads that carry it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from leads.labels import Label, read_label
from leads.models import MoveAct, RuleKind, RuleVersion, Stage, VersionStatus
from leads.versions import (
    DocumentKind,
    InvalidDocument,
    Rulebook,
    path_problem,
    publish_default,
    register_document_kind,
)
from tenancy.errors import FieldProblem, Invalid
from tenancy.models import Membership, Tenant

RE_ENGAGEMENT: Final = "re_engagement"
MAX_REASONS: Final = 50
KEY = re.compile(r"[a-z0-9_]{1,64}")


class ReasonList(StrEnum):
    """The four lists of reasons; *returned* is the nurture act on an SQL or opportunity."""

    REJECT = "reject"
    LOSE = "lose"
    NURTURE = "nurture"
    DISQUALIFY = "disqualify"


LIST_OF_ACT: Final[dict[MoveAct, ReasonList]] = {
    MoveAct.REJECT: ReasonList.REJECT,
    MoveAct.LOSE: ReasonList.LOSE,
    MoveAct.NURTURE: ReasonList.NURTURE,
    MoveAct.RETURN: ReasonList.NURTURE,
    MoveAct.DISQUALIFY: ReasonList.DISQUALIFY,
}
# Acts after which sales hands the lead back: only these leave a decision to marketing that a clock waits for.
HANDS_BACK: Final = frozenset({MoveAct.REJECT, MoveAct.RETURN, MoveAct.LOSE})
TARGETS: Final[dict[ReasonList, tuple[Stage, ...]]] = {
    ReasonList.REJECT: (Stage.NURTURE, Stage.WORKING, Stage.DISQUALIFIED),
    ReasonList.LOSE: (Stage.NURTURE, Stage.DISQUALIFIED),
    ReasonList.NURTURE: (Stage.NURTURE,),
    ReasonList.DISQUALIFY: (Stage.DISQUALIFIED,),
}


class UnknownReason(Invalid):
    """The reason is not on the tenant's list for this act."""


@dataclass(frozen=True)
class ReasonChoice:
    """One reason: its key, its words, the stage it leads to, the sequence it enrols into (None: marketing decides)."""

    key: str
    label: Label
    target: Stage
    sequence: str | None
    is_retired: bool = False

    @property
    def decides_marketing(self) -> bool:
        """Whether the lead comes to nurture without a sequence, so that marketing has to decide what to do with it."""
        return self.target is Stage.NURTURE and self.sequence is None


@dataclass(frozen=True)
class Reasons:
    """The parsed document."""

    lists: Mapping[ReasonList, tuple[ReasonChoice, ...]]

    def choices(self, act: MoveAct) -> tuple[ReasonChoice, ...]:
        """The reasons that may be given for an act, in the order of the document."""
        return tuple(choice for choice in self.every(act) if not choice.is_retired)

    def every(self, act: MoveAct) -> tuple[ReasonChoice, ...]:
        """As ``choices``, with those that were retired: what files and old moves may name."""
        return self.lists[LIST_OF_ACT[act]]

    def find(self, *, act: MoveAct | str, reason: str) -> ReasonChoice | None:
        """The reason with this key, or None if the act takes no reason of a list or the list has none of that key."""
        which = LIST_OF_ACT.get(MoveAct(act)) if act in MoveAct.values else None
        return next((choice for choice in self.lists[which] if choice.key == reason), None) if which else None

    def decides_marketing(self, *, act: MoveAct | str, reason: str) -> bool:
        """Whether a lead that sales handed back waits for marketing's decision: the clock "back to nurture" runs."""
        choice = self.find(act=act, reason=reason)
        return choice is not None and act in HANDS_BACK and choice.decides_marketing

    def sequence_of(self, *, act: MoveAct | str, reason: str) -> str | None:
        """The sequence that a reason enrols into at once, or None."""
        choice = self.find(act=act, reason=reason)
        return choice.sequence if choice else None

    def require(self, *, act: MoveAct, reason: str) -> ReasonChoice:
        """The reason with this key, unless it is retired. Raises UnknownReason listing the valid ones."""
        choice = self.find(act=act, reason=reason)
        if choice is None or choice.is_retired:
            valid = ", ".join(each.key for each in self.choices(act))
            message = _("Give one of these reasons: %(valid)s.") % {"valid": valid}
            raise UnknownReason(message, errors=[FieldProblem("reason", "unknown", message)])
        return choice


def published_reasons(rulebook: Rulebook) -> Reasons:
    """The tenant's reasons; the default pack's for a tenant that has published none."""
    published = rulebook.get(RuleKind.REASONS)
    rules: Reasons = published.rules if published else parse_reasons(default_reasons())
    return rules


def parse_reasons(document: Any) -> Reasons:
    """The typed reasons of a document. Raises InvalidDocument naming every fault by its JSON path."""
    if not isinstance(document, dict):
        raise InvalidDocument(_("Give the lists of reasons as an object."))
    problems: list[FieldProblem] = [
        path_problem(str(key), _("Remove this; the lists are reject, lose, nurture, disqualify."))
        for key in document.keys() - set(ReasonList)
    ]
    lists = {which: _read_list(document.get(which), which, problems) for which in ReasonList}
    if problems:
        raise InvalidDocument(_("The reasons have faults."), errors=problems)
    return Reasons(lists)


def _read_list(raw: Any, which: ReasonList, problems: list[FieldProblem]) -> tuple[ReasonChoice, ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_REASONS:
        message = _("Give 1 to %(count)s reasons.") % {"count": MAX_REASONS}
        problems.append(path_problem(which.value, message))
        return ()
    read = [_read_reason(item, which, f"{which}[{index}]", problems) for index, item in enumerate(raw)]
    choices = tuple(choice for choice in read if choice is not None)
    keys = [choice.key for choice in choices]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    fault = _("“%(key)s” stands here twice.")
    problems.extend(path_problem(which.value, fault % {"key": key}) for key in twice)
    if choices and all(choice.is_retired for choice in choices):
        problems.append(path_problem(which.value, _("Keep one reason at least that may be given.")))
    return choices


def _read_reason(raw: Any, which: ReasonList, path: str, problems: list[FieldProblem]) -> ReasonChoice | None:
    if not isinstance(raw, dict) or raw.keys() - {"key", "label", "target", "sequence", "retired"}:
        problems.append(
            path_problem(path, _("Give a reason as an object of key, label, target, sequence and retired."))
        )
        return None
    before = len(problems)
    key, target, sequence = raw.get("key"), raw.get("target"), raw.get("sequence")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        problems.append(path_problem(f"{path}.key", _("Use lower-case letters, digits and _, at most 64.")))
    label = read_label(raw.get("label"), path=f"{path}.label", problems=problems)
    allowed = TARGETS[which]
    if target is None:
        target = allowed[0].value
    if target not in allowed:
        message = _("Give one of %(values)s.") % {"values": ", ".join(allowed)}
        problems.append(path_problem(f"{path}.target", message))
    if sequence is not None and not (isinstance(sequence, str) and KEY.fullmatch(sequence)):
        problems.append(path_problem(f"{path}.sequence", _("Name a sequence by its key, or give null.")))
    elif sequence is not None and target != Stage.NURTURE:
        problems.append(
            path_problem(f"{path}.sequence", _("Only a reason that leads to nurture has a sequence."))
        )
    if not isinstance(raw.get("retired", False), bool):
        problems.append(path_problem(f"{path}.retired", _("Give true or false.")))
    if len(problems) > before or label is None:
        return None
    return ReasonChoice(str(key), label, Stage(target), sequence, raw.get("retired", False))


def default_reasons() -> dict[str, Any]:
    """The reasons of the default pack (CONTRACT.md §2)."""
    no_deal = [
        _reason("no_budget", "No budget", "Sem orçamento", RE_ENGAGEMENT),
        _reason("no_authority", "Not the decision-maker", "Não é quem decide", RE_ENGAGEMENT),
        _reason("no_need", "No need for now", "Sem necessidade por enquanto", RE_ENGAGEMENT),
        _reason("bad_timing", "Bad timing", "Momento errado", RE_ENGAGEMENT),
        _reason("marketing_decides", "Marketing decides", "O marketing decide", None),
    ]
    return {
        "reject": no_deal,
        "lose": no_deal,
        "nurture": [
            _reason("bad_timing", "Bad timing", "Momento errado", RE_ENGAGEMENT),
            _reason("no_answer", "No answer", "Não responde", RE_ENGAGEMENT),
            _reason("returned", "Returned by sales", "Devolvido por vendas", RE_ENGAGEMENT),
            _reason("marketing_decides", "Marketing decides", "O marketing decide", None),
        ],
        "disqualify": [
            _out("junk", "Junk or test entry", "Cadastro falso ou de teste"),
            _out("no_fit", "Not a fit", "Fora do perfil"),
            _out("competitor", "Competitor", "Concorrente"),
            _out("duplicate", "Duplicate", "Duplicado"),
        ],
    }


def _reason(key: str, english: str, portuguese: str, sequence: str | None) -> dict[str, Any]:
    label = {"en": english, "pt-br": portuguese}
    return {"key": key, "label": label, "target": Stage.NURTURE.value, "sequence": sequence}


def _out(key: str, english: str, portuguese: str) -> dict[str, Any]:
    label = {"en": english, "pt-br": portuguese}
    return {"key": key, "label": label, "target": Stage.DISQUALIFIED.value, "sequence": None}


def publish_default_reasons(tenant: Tenant, admin: Membership | None, now: datetime) -> None:
    """A new tenant's part of the default pack."""
    publish_default(kind=RuleKind.REASONS, document=default_reasons(), by=admin, now=now)


def parse_new_reasons(document: Any) -> Reasons:
    """The same for a new draft, which keeps every reason that is published: what carries its key must go on meaning something.

    Call it inside a tenant scope. Raises InvalidDocument.
    """
    reasons = parse_reasons(document)
    published = RuleVersion.objects.filter(kind=RuleKind.REASONS, status=VersionStatus.PUBLISHED).first()
    before = parse_reasons(published.document) if published else Reasons({})
    problems = []
    for which, choices in before.lists.items():
        gone = {choice.key for choice in choices} - {choice.key for choice in reasons.lists[which]}
        fault = _("Keep “%(key)s”; retire it where it shall not be given any more.")
        problems += [path_problem(which.value, fault % {"key": key}, "gone") for key in sorted(gone)]
    if problems:
        raise InvalidDocument(_("The reasons have faults."), errors=problems)
    return reasons


register_document_kind(DocumentKind(RuleKind.REASONS, parse=parse_reasons, parse_draft=parse_new_reasons))
