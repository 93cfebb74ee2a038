"""Rule documents and their versions: draft, published, archived. Every engine keeps its rules here.

A version is one validated JSON document. A published one never changes; decisions keep pointing at the version that made
them. Each engine registers how its documents are parsed, so a bad rule is refused when it is saved.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from leads.models import RuleKind, RuleVersion, VersionStatus
from tenancy.audit import record, register_acts
from tenancy.errors import Conflict, FieldProblem, Invalid
from tenancy.models import Membership
from tenancy.scope import require_tenant_id

Json = Any

# As JSON. A hundred rules of ten conditions each are a third of it.
MAX_DOCUMENT_CHARACTERS: Final = 500_000
# Why a version was published.
MAX_NOTE_LENGTH: Final = 500
MAIN: Final = "main"
# Of one kind.
MAX_DOCUMENTS: Final = 200


class InvalidDocument(Invalid):
    """A rule document that cannot be saved; ``errors`` name each place by its JSON path."""


class VersionNotDraft(Conflict):
    """Only a draft can be published, and only what was published before can be gone back to."""


class TooManyDocuments(Conflict):
    """The tenant has as many documents of this kind as it may."""


class DraftChangedMeanwhile(Conflict):
    """Somebody saved, published or discarded the draft since it was read. ``draft`` is what stands now, None if there is none."""

    def __init__(self, draft: RuleVersion | None) -> None:
        if draft is None:
            super().__init__(_("The draft was published or discarded after you opened it."))
        else:
            name = draft.created_by.name if draft.created_by else _("Somebody")
            super().__init__(_("%(name)s saved this draft after you opened it.") % {"name": name})
        self.draft = draft


@dataclass(frozen=True)
class DocumentKind:
    """``parse`` turns a JSON document into the engine's typed rules, or raises InvalidDocument.

    ``parse_draft`` does so for a new draft where that is stricter: what was retired since is read, not written.
    ``check_name`` refuses a name for a document by InvalidDocument; without it there is one document, ``main``.
    """

    kind: RuleKind
    parse: Callable[[Json], Any]
    parse_draft: Callable[[Json], Any] | None = None
    check_name: Callable[[str, Json], None] | None = None


_kinds: dict[str, DocumentKind] = {}
_published_listeners: list[Callable[[RuleVersion, datetime], None]] = []


def register_document_kind(kind: DocumentKind) -> None:
    """Say once, when an app is ready, how documents of a kind are parsed."""
    _kinds[kind.kind] = kind


def on_published(listener: Callable[[RuleVersion, datetime], None]) -> None:
    """Call ``listener(version, now)`` in the transaction that publishes a version."""
    _published_listeners.append(listener)


def content_hash(document: Json) -> str:
    """Equal for equal documents, whatever the order of their keys."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def path_problem(path: str, message: Any, code: str = "invalid") -> FieldProblem:
    """One place of a document that has to be mended."""
    return FieldProblem(path, code, message)


@dataclass(frozen=True)
class Published:
    """A published document as the engines use it. ``rules`` is what the kind's parser made of the JSON."""

    version_id: int
    number: int
    name: str
    content_hash: str
    rules: Any


class Rulebook:
    """The published documents of the current tenant as they stood when it was opened: one query, whatever is asked."""

    def __init__(self, published: Sequence[Published], kinds: Sequence[str]) -> None:
        self._by_kind: dict[str, dict[str, Published]] = {}
        for kind, document in zip(kinds, published, strict=True):
            self._by_kind.setdefault(kind, {})[document.name] = document

    def get(self, kind: RuleKind, name: str = "main") -> Published | None:
        """The published document of a kind, or None if there is none."""
        return self._by_kind.get(kind, {}).get(name)

    def list(self, kind: RuleKind) -> list[Published]:
        """All published documents of a kind, by name."""
        return [document for _name, document in sorted(self._by_kind.get(kind, {}).items())]


def open_rulebook() -> Rulebook:
    """Read which versions are published now; documents already parsed in this process are not read again."""
    tenant_id = require_tenant_id()
    # By hand: every batch begins with it, and the ORM takes longer to write it than the database to answer.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, kind, name, number, content_hash FROM leads_ruleversion WHERE status = 'published'"
        )
        rows = cursor.fetchall()
    parsed = {row: _parsed.get((tenant_id, row[1], row[4])) for row in rows}
    unparsed = [row[0] for row, rules in parsed.items() if rules is None]
    if unparsed:
        documents = dict(RuleVersion.objects.filter(id__in=unparsed).values_list("id", "document"))
        for row in [row for row in rows if row[0] in documents]:
            parsed[row] = _remember(tenant_id, row[1], row[4], documents[row[0]])
    published = [
        Published(version_id, number, name, digest, rules)
        for (version_id, _kind, name, number, digest), rules in parsed.items()
    ]
    return Rulebook(published, [row[1] for row in rows])


# Documents never change once published, so what was parsed stays right. For each tenant by itself: what a fact of its own
# means (custom.plants: text here, a number there) is the tenant's.
_parsed: dict[tuple[int, str, str], Any] = {}
_PARSED_LIMIT = 5000


def _remember(tenant_id: int, kind: str, digest: str, document: Json) -> Any:
    if len(_parsed) >= _PARSED_LIMIT:
        _parsed.clear()
    rules = _parsed[tenant_id, kind, digest] = _kinds[kind].parse(document)
    return rules


@lru_cache(maxsize=256)
def _parse_cached(tenant_id: int, kind: str, digest: str, text: str) -> Any:
    return _kinds[kind].parse(json.loads(text))


def parse_document(*, kind: RuleKind | str, document: Json) -> Any:
    """The typed rules of any version's document. Raises InvalidDocument."""
    return _parse_cached(require_tenant_id(), str(kind), content_hash(document), json.dumps(document))


def find_draft(*, kind: RuleKind | str, name: str = "main") -> RuleVersion | None:
    """The draft of a document: there is one at most, since whoever makes one locks the document's versions."""
    drafts = RuleVersion.objects.select_related("created_by").filter(kind=kind, name=name)
    draft: RuleVersion | None = drafts.filter(status=VersionStatus.DRAFT).order_by("-number").first()
    return draft


def save_draft(
    *,
    kind: RuleKind,
    document: Json,
    by: Membership | None,
    now: datetime,
    name: str = "main",
    replacing: str | None = None,
) -> RuleVersion:
    """Keep the draft of a document after the engine has accepted it; who saved it last and when is on it.

    ``replacing`` is the content hash of the draft that the change was made from, "" if there was none, None to replace whatever
    stands. Raises InvalidDocument, DraftChangedMeanwhile, TooManyDocuments.
    """
    if len(json.dumps(document)) > MAX_DOCUMENT_CHARACTERS:
        raise InvalidDocument(
            _(
                "The document is too large: shorten lists, or give rules that belong apart a document of their own."
            )
        )
    _check_draft(kind, document)
    _check_name(kind, name, document)
    with transaction.atomic():
        newest = _lock_versions(kind, name)
        if not newest:
            _expect_room(kind)
        draft = find_draft(kind=kind, name=name)
        if replacing is not None:
            _expect(draft, replacing)
        is_new = draft is None
        if draft is None:
            draft = RuleVersion(kind=kind, name=name, number=newest + 1)
        draft.document, draft.content_hash = document, content_hash(document)
        draft.created_at, draft.created_by = now, by
        draft.save()
        if is_new:
            _record("rules.drafted", draft, by, now)
    return draft


def publish_draft(
    *, kind: RuleKind | str, name: str, expected: str, note: str, by: Membership | None, now: datetime
) -> RuleVersion:
    """Publish the draft whose content hash was looked at. Raises DraftChangedMeanwhile, InvalidDocument where what it names is
    gone since it was saved."""
    with transaction.atomic():
        draft = _lock_draft(kind, name, expected)
        _check_draft(kind, draft.document)
        return publish_version(version=draft, by=by, now=now, note=note)


def discard_draft(
    *, kind: RuleKind | str, name: str, expected: str, by: Membership | None, now: datetime
) -> None:
    """Throw the draft away whose content hash was looked at. Raises DraftChangedMeanwhile."""
    with transaction.atomic():
        draft = _lock_draft(kind, name, expected)
        _record("rules.discarded", draft, by, now)
        draft.delete()


def reuse_version(*, version: RuleVersion, by: Membership | None, now: datetime) -> RuleVersion:
    """A draft with what an earlier version says. Raises DraftChangedMeanwhile while there is a draft, InvalidDocument."""
    kind = RuleKind(version.kind)
    return save_draft(kind=kind, name=version.name, document=version.document, by=by, now=now, replacing="")


def roll_back(*, version: RuleVersion, by: Membership | None, now: datetime, note: str = "") -> RuleVersion:
    """Publish an archived version again, as it is.

    Raises VersionNotDraft for a draft and for what is published, InvalidDocument where what it names is gone since.
    """
    if version.status == VersionStatus.DRAFT:
        raise VersionNotDraft(
            _("Version %(number)s is a draft: publish it as it was looked at.") % {"number": version.number}
        )
    _check_draft(version.kind, version.document)
    return publish_version(version=version, by=by, now=now, note=note)


def _check_draft(kind: RuleKind | str, document: Json) -> None:
    registered = _kinds[kind]
    (registered.parse_draft or registered.parse)(document)


def _check_name(kind: RuleKind, name: str, document: Json) -> None:
    check = _kinds[kind].check_name
    if check is not None:
        check(name, document)
    elif name != MAIN:
        message = _("There is one document of these rules: “%(name)s”.") % {"name": MAIN}
        raise InvalidDocument(message, errors=[path_problem("name", message)])


def _expect_room(kind: RuleKind) -> None:
    names = RuleVersion.objects.filter(kind=kind).values("name").distinct()
    if names.count() >= MAX_DOCUMENTS:
        many = _("There are %(count)s documents of these rules, which is as many as there may be.")
        raise TooManyDocuments(many % {"count": MAX_DOCUMENTS})


def _lock_versions(kind: RuleKind | str, name: str) -> int:
    """Let one change at a time happen to a document; the number of its newest version, 0 without any."""
    rows = RuleVersion.objects.select_for_update().filter(kind=kind, name=name).order_by("number")
    return max(rows.values_list("number", flat=True), default=0)


def _lock_draft(kind: RuleKind | str, name: str, expected: str) -> RuleVersion:
    _lock_versions(kind, name)
    draft = find_draft(kind=kind, name=name)
    _expect(draft, expected)
    if draft is None:
        raise DraftChangedMeanwhile(None)
    return draft


def _expect(draft: RuleVersion | None, digest: str) -> None:
    if (draft.content_hash if draft else "") != digest:
        raise DraftChangedMeanwhile(draft)


def _record(act: str, version: RuleVersion, by: Membership | None, now: datetime) -> None:
    words = str(RuleKind(version.kind).label)
    subject = words if version.name == "main" else f"{words} {version.name}"
    record(act=act, subject=subject, by=by, now=now, detail={"number": version.number, "note": version.note})


def publish_version(
    *, version: RuleVersion, by: Membership | None, now: datetime, note: str = ""
) -> RuleVersion:
    """Publish a draft, or roll back to an archived version; what was published before is archived."""
    with transaction.atomic():
        siblings = RuleVersion.objects.select_for_update().filter(kind=version.kind, name=version.name)
        current: RuleVersion = {sibling.pk: sibling for sibling in siblings}[version.pk]
        if current.status == VersionStatus.PUBLISHED:
            raise VersionNotDraft(_("Version %(number)s is published already.") % {"number": version.number})
        siblings.filter(status=VersionStatus.PUBLISHED).update(status=VersionStatus.ARCHIVED)
        siblings.filter(pk=version.pk).update(
            status=VersionStatus.PUBLISHED, published_at=now, published_by=by, note=note
        )
        current.refresh_from_db()
        _record("rules.published", current, by, now)
        for listener in _published_listeners:
            listener(current, now)
    return current


def publish_default(
    *, kind: RuleKind, document: Json, by: Membership | None, now: datetime, name: str = "main"
) -> None:
    """Give a new tenant a published first version; there are no leads yet that it could move."""
    _kinds[kind].parse(document)
    RuleVersion.objects.create(
        kind=kind,
        name=name,
        number=1,
        status=VersionStatus.PUBLISHED,
        document=document,
        content_hash=content_hash(document),
        created_at=now,
        created_by=by,
        published_at=now,
        published_by=by,
    )


register_acts(
    {
        "rules.drafted": _("Began a draft of the %(subject)s (version %(number)s)"),
        "rules.published": _("Published version %(number)s of the %(subject)s. Note: %(note)s"),
        "rules.discarded": _("Discarded the draft of the %(subject)s (version %(number)s)"),
    }
)
