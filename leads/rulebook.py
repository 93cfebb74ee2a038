"""Published rules in words: each engine says how its documents read, the pages show them with their versions.

An engine registers a view for its kind of document: a template, and what it needs to render parsed rules. Most read as lines
in groups, for which there is a template here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db.models import Max
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from leads.conditions.describe import describe_condition
from leads.gates import Gates
from leads.models import Lead, Rerun, RuleKind, RuleVersion, Stage, VersionStatus
from leads.qualification.frameworks import Framework
from leads.reasons import Reasons
from leads.versions import InvalidDocument, parse_document
from tenancy.errors import NotFound
from tenancy.navigation import NavigationItem, register_navigation

Text = str | Promise
Tone = Literal["act", "good", "soon", "late", "quiet"]
LINES: Final = "leads/rules_lines.html"


class NoSuchRules(NotFound):
    """The tenant has no such document or version."""


@dataclass(frozen=True, kw_only=True)
class RuleLine:
    """One rule: what it is about, what exactly, and its effect in a word or two.

    ``key`` is the rule's id, by which two versions are compared; ``unseen`` is what of it the line leaves out (the text of an
    e-mail), so that a change there is a change too.
    """

    label: Text
    detail: Text = ""
    effect: Text = ""
    note: Text = ""
    tone: Tone = "quiet"
    key: str = ""
    unseen: str = ""


@dataclass(frozen=True, kw_only=True)
class RuleGroup:
    """Lines under a heading, which may be empty, with a sentence above and one below."""

    title: Text = ""
    intro: Text = ""
    lines: Sequence[RuleLine] = ()
    outro: Text = ""
    is_numbered: bool = False


@dataclass(frozen=True)
class RulesView:
    """How documents of a kind are shown: ``template`` with what ``context`` makes of the parsed rules."""

    kind: RuleKind
    template: str
    context: Callable[[Any], dict[str, Any]]


_views: dict[str, RulesView] = {}


def register_rules_view(kind: RuleKind, template: str, context: Callable[[Any], dict[str, Any]]) -> None:
    """Say once, when an app is ready, how documents of a kind are shown."""
    _views[kind] = RulesView(kind, template, context)


def register_rule_lines(kind: RuleKind, groups: Callable[[Any], list[RuleGroup]]) -> None:
    """As ``register_rules_view``, for documents that read as lines in groups."""
    register_rules_view(kind, LINES, lambda rules: {"groups": groups(rules)})


def list_published() -> list[RuleVersion]:
    """What is published now, and documents of which there is a first draft alone; in the order of the kinds, then by name."""
    order = list(RuleKind)
    versions = RuleVersion.objects.select_related("published_by").filter(
        status__in=[VersionStatus.DRAFT, VersionStatus.PUBLISHED]
    )
    drafted = {(each.kind, each.name): each for each in versions if each.status == VersionStatus.DRAFT}
    published = [each for each in versions if each.status == VersionStatus.PUBLISHED]
    known = {(each.kind, each.name) for each in published}
    published += [draft for document, draft in drafted.items() if document not in known]
    return sorted(published, key=lambda version: (order.index(RuleKind(version.kind)), version.name))


def list_versions(*, kind: str, name: str) -> list[RuleVersion]:
    """Every version of one document, newest first. Raises NoSuchRules."""
    versions = list(
        RuleVersion.objects.select_related("created_by", "published_by")
        .filter(kind=kind, name=name)
        .order_by("-number")
    )
    if not versions:
        raise NoSuchRules(_("There are no such rules."))
    return versions


def find_version(versions: Sequence[RuleVersion], number: int | None) -> RuleVersion:
    """The version with this number; without one the published, else the newest. Raises NoSuchRules."""
    if number is None:
        published = [version for version in versions if version.status == VersionStatus.PUBLISHED]
        return (published or versions)[0]
    for version in versions:
        if version.number == number:
            return version
    raise NoSuchRules(_("There is no version %(number)s of these rules.") % {"number": number})


def read_version(*, kind: str, name: str, number: int) -> RuleVersion:
    """One version of a document. Raises NoSuchRules."""
    version: RuleVersion | None = RuleVersion.objects.filter(kind=kind, name=name, number=number).first()
    if version is None:
        raise NoSuchRules(_("There is no version %(number)s of these rules.") % {"number": number})
    return version


def list_drafts() -> dict[tuple[str, str], RuleVersion]:
    """The drafts by kind and name."""
    drafts = RuleVersion.objects.select_related("created_by").filter(status=VersionStatus.DRAFT)
    return {(draft.kind, draft.name): draft for draft in drafts.defer("document").order_by("number")}


def list_lines(version: RuleVersion) -> list[RuleGroup]:
    """The lines of a version in groups; none where its kind reads otherwise."""
    groups: list[RuleGroup] = rules_in_words(version)[1].get("groups", [])
    return groups


def rules_in_words(version: RuleVersion) -> tuple[str, dict[str, Any]]:
    """The template and context that show a version."""
    view = _views[version.kind]
    return view.template, view.context(parse_document(kind=version.kind, document=version.document))


def title_of(version: RuleVersion) -> str:
    """What a document is called: its kind, and where there are several its own label."""
    kind = str(RuleKind(version.kind).label)
    if version.name == "main":
        return kind
    try:
        rules = parse_document(kind=version.kind, document=version.document)
    except InvalidDocument:
        # Something that a draft names is gone since it was saved.
        return f"{kind}: {version.name}"
    return f"{kind}: {getattr(rules, 'label', version.name)}"


@dataclass(frozen=True)
class RerunProgress:
    """How far a going over all leads has come: leads that are done, and the part of their ids that is behind it."""

    done_count: int
    covered_ids: int
    all_ids: int


def find_rerun(version: RuleVersion) -> RerunProgress | None:
    """The going over all leads that the publication of this version has under way, or None."""
    rerun = Rerun.objects.filter(version=version, finished_at__isnull=True).order_by("-id").first()
    if rerun is None:
        return None
    lanes = list(rerun.lanes.order_by("pk"))
    begins = [rerun.position, *(lane.last_id for lane in lanes if lane.last_id is not None)]
    last = Lead.objects.aggregate(last=Max("pk"))["last"] or 0
    return RerunProgress(
        sum(lane.done_count for lane in lanes),
        sum(lane.position - begin for lane, begin in zip(lanes, begins, strict=False)),
        max(1, last - rerun.position),
    )


def sentence(words: str) -> str:
    """With a capital, also behind a bracket."""
    start = len(words) - len(words.lstrip("("))
    return words[:start] + words[start : start + 1].upper() + words[start + 1 :]


def gates_in_words(rules: Gates) -> list[RuleGroup]:
    """Where each gate leads, and when it opens."""
    lines = [
        RuleLine(
            label=_("%(before)s → %(after)s")
            % {
                "before": _(" or ").join(str(stage.label) for stage in gate.leaves),
                "after": gate.to.label,
            },
            detail=sentence(describe_condition(gate.when)),
            effect=str(gate.label),
            tone="good",
            key=gate.id,
        )
        for gate in rules.gates
    ]
    return [
        RuleGroup(
            intro=_("The first gate that holds moves the lead."),
            lines=lines,
            outro=_(
                "From nurture the lead must also have done something that gives points since it came there. "
                "Who asks for contact goes past the gates."
            ),
        )
    ]


def framework_in_words(rules: Framework) -> list[RuleGroup]:
    """The questions, and which must be met before a handover."""
    lines = [
        RuleLine(
            label=str(question.label),
            detail=str(question.help or ""),
            effect=_("required") if question.key in rules.required else "",
            tone="act",
            key=question.key,
        )
        for question in rules.questions
    ]
    outro = _(
        "A lead is handed over to sales when every required question is met, or when a manager overrides."
    )
    return [RuleGroup(lines=lines, outro=outro)]


def reasons_in_words(rules: Reasons) -> list[RuleGroup]:
    """For each act its reasons, and where each leads."""
    titles = {
        "reject": _("Sales rejects"),
        "lose": _("Lost"),
        "nurture": _("Sent to nurture or returned"),
        "disqualify": _("Disqualified"),
    }
    sequences = _sequence_labels()
    return [
        RuleGroup(
            title=titles[which.value],
            lines=[
                RuleLine(
                    label=str(choice.label),
                    detail=_reason_detail(choice.target, choice.sequence, sequences),
                    effect=str(choice.target.label),
                    note=pgettext("reason", "retired") if choice.is_retired else "",
                    key=choice.key,
                )
                for choice in choices
            ],
        )
        for which, choices in rules.lists.items()
    ]


def _sequence_labels() -> dict[str, str]:
    """What the published sequences are called, by their names."""
    rows = RuleVersion.objects.filter(kind=RuleKind.SEQUENCE, status=VersionStatus.PUBLISHED)
    return {
        row.name: str(parse_document(kind=row.kind, document=row.document).label)
        for row in rows.order_by("name")
    }


def _reason_detail(target: Stage, sequence: str | None, labels: Mapping[str, str]) -> str:
    if sequence is not None:
        return _("Enrols in the sequence “%(sequence)s”") % {"sequence": labels.get(sequence, sequence)}
    return _("Marketing decides what comes next") if target is Stage.NURTURE else ""


def register_hub_rules() -> None:
    """The hub's own documents, and the pages' place in the navigation; called once, when the app is ready."""
    register_rule_lines(RuleKind.GATES, gates_in_words)
    register_rule_lines(RuleKind.QUALIFICATION, framework_in_words)
    register_rule_lines(RuleKind.REASONS, reasons_in_words)
    register_navigation(
        NavigationItem(
            key="rules",
            label=gettext_lazy("Rules"),
            icon="adjustments-horizontal",
            url_name="rules",
            section="marketing",
            right="rules.read",
            order=60,
        )
    )
