"""Erasing a person: everything that says who they were goes, in one transaction; what counts stays, and says nothing of them.

The lead stays as a number with its stages and times, so that funnels and reports add up as before. A proof is kept: what was
erased, when, by whom, how many rows of which table, and the hash of the identity. Whoever is to be kept out is not taken in
again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.apps import apps
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from core.bisection import is_transient
from core.due import DueKind, cancel, register_due_kind, schedule
from core.models import StoredFile, StoredPiece
from core.stored_files import delete_files
from core.tasks import tenant_task, wake
from leads.erasure.holdings import Holding, list_holdings
from leads.erasure.identities import identities_of
from leads.lifecycle import Move, move_leads
from leads.listing import TookTooLong, limited_to
from leads.models import Company, ErasedIdentity, Erasure, ErasureState, Lead, LeadState, MoveAct, Stage
from leads.pipeline import Reason, ReasonCode, run_pipeline
from leads.selectors import get_lead
from tenancy.audit import record
from tenancy.errors import FieldProblem, Invalid, NotFound
from tenancy.models import Membership
from tenancy.rights import require
from tenancy.scope import require_tenant_id

log = structlog.get_logger(__name__)

ERASE_KIND: Final = "leads.erase"
ERASED: Final = "erased"
FALLBACK: Final = timedelta(seconds=15)
RETRY_PAUSE: Final = timedelta(minutes=1)
MAX_ATTEMPTS: Final = 5
# A shorter text stands in too many others to be looked for.
SHORTEST_TEXT: Final = 6
# So many last digits of a phone number are somebody's alone, however it is written.
PHONE_DIGITS: Final = 10
MAX_GROUND: Final = 200
# For each table, while somebody waits for the page.
PREVIEW_LIMIT_MS: Final = 3_000
# The first half of the number of the lock that erasures share.
_LOCK: Final = 0x4552_4153
# What means something in LIKE.
_LIKE: Final = re.compile(r"[\\%_]")


class NotConfirmed(Invalid):
    """What was typed is not what the lead is called."""


class NoSuchErasure(NotFound):
    """There is no such proof."""


@dataclass(frozen=True)
class Person:
    """Who is looked for: what is theirs alone, their name, the last digits of their phone."""

    lead_id: int
    texts: tuple[str, ...]
    name: str
    digits: str
    identities: tuple[str, ...]

    def patterns(self, *, by_name: bool) -> list[str]:
        """What is looked for in texts, as LIKE takes it."""
        wanted = [*self.texts, *([self.name] if by_name and self.name else [])]
        return [f"%{_LIKE.sub(_escaped, text)}%" for text in wanted]


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def read_person(lead: Lead) -> Person:
    """Whom a lead is about."""
    texts = [
        text for text in (lead.email, lead.external_id, lead.phone) if text and len(text) >= SHORTEST_TEXT
    ]
    digits = re.sub(r"\D", "", lead.phone or "")[-PHONE_DIGITS:]
    name = lead.name or " ".join(filter(None, (lead.first_name, lead.last_name)))
    return Person(
        lead.pk,
        tuple(texts),
        name if len(name) >= SHORTEST_TEXT else "",
        digits if len(digits) == PHONE_DIGITS else "",
        identities_of(lead.email, lead.external_id, lead.phone),
    )


def word_to_type(lead: Lead) -> str:
    """What is to be typed to confirm: the e-mail address, else what the lead is called."""
    return lead.email or str(lead)


def preview_erasure(*, lead_id: int, by: Membership) -> dict[str, int] | None:
    """How many rows of which table tell of a lead, by the name of the model; None where looking takes longer than somebody waits.

    Raises LeadNotFound, NotAllowed.
    """
    require(by, "person.erase")
    person = read_person(get_lead(lead_id=lead_id))
    try:
        with limited_to(PREVIEW_LIMIT_MS):
            return _count(person)
    except TookTooLong:
        return None


def _count(person: Person) -> dict[str, int]:
    counts = {
        holding.model: rows_of(holding, person).count() for holding in list_holdings() if _is_theirs(holding)
    }
    return {model: count for model, count in counts.items() if count} | _count_files(person)


def request_erasure(
    *, lead_id: int, confirmation: str, ground: str, keeps_out: bool, by: Membership, now: datetime
) -> Erasure:
    """Erase the person that a lead is about; a worker does it. Asked for again, it is the same erasure.

    Raises LeadNotFound, NotAllowed, NotConfirmed.
    """
    require(by, "person.erase")
    lead = get_lead(lead_id=lead_id)
    earlier: Erasure | None = Erasure.objects.filter(lead_number=lead_id).order_by("-id").first()
    if earlier is not None and (earlier.state == ErasureState.WAITING or not read_person(lead).identities):
        return earlier
    if confirmation.strip().casefold() != word_to_type(lead).casefold():
        message = _("Type exactly: %(word)s") % {"word": word_to_type(lead)}
        raise NotConfirmed(message, errors=[FieldProblem("confirmation", "differs", message)])
    erasure: Erasure = Erasure.objects.create(
        lead_number=lead_id,
        asked_by=by,
        asked_by_name=by.name,
        asked_at=now,
        ground=ground.strip()[:MAX_GROUND],
        keeps_out=keeps_out,
    )
    schedule(kind=ERASE_KIND, due={erasure.pk: now + FALLBACK})
    wake(continue_erasure, erasure_id=erasure.pk)
    return erasure


def get_erasure(*, erasure_id: int) -> Erasure:
    """One proof. Raises NoSuchErasure."""
    found: Erasure | None = Erasure.objects.filter(pk=erasure_id).first()
    if found is None:
        raise NoSuchErasure(_("There is no such proof."))
    return found


def list_erasures(*, limit: int = 200) -> list[Erasure]:
    """The proofs, the newest first."""
    return list(Erasure.objects.order_by("-asked_at", "-id")[:limit])


def advance_erasure(*, erasure_id: int, now: datetime) -> None:
    """Erase whoever was asked for, all at once. Nothing if it is done, or somebody else is at it."""
    free = Erasure.objects.select_for_update(skip_locked=True, of=("self",))
    erasure: Erasure | None = free.filter(pk=erasure_id, state=ErasureState.WAITING).first()
    if erasure is None:
        return
    try:
        with transaction.atomic():
            _erase(erasure, now)
    except Exception as error:
        if is_transient(error):
            raise
        # The person is named in the error, maybe: only its kind stands in the log.
        log.error("erasure failed", erasure_id=erasure_id, error=type(error).__name__)  # noqa: TRY400
        erasure.refresh_from_db()
        erasure.attempts += 1
        erasure.state = ErasureState.FAILED if erasure.attempts >= MAX_ATTEMPTS else ErasureState.WAITING
        erasure.save(update_fields=["attempts", "state"])
        if erasure.state == ErasureState.WAITING:
            schedule(kind=ERASE_KIND, due={erasure_id: now + RETRY_PAUSE})


def wait_for_erasures() -> None:
    """Until nobody is being erased any more; none begins before this transaction has ended."""
    _take_lock("pg_advisory_xact_lock")


def _take_lock(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_LOCK, require_tenant_id() % (1 << 31)])


def _erase(erasure: Erasure, now: datetime) -> None:
    _take_lock("pg_advisory_xact_lock_shared")
    # Whoever captures the same person waits here, and then finds them neither by e-mail nor by id.
    lead: Lead | None = Lead.objects.select_for_update(of=("self",)).filter(pk=erasure.lead_number).first()
    counts: dict[str, int] = {}
    if lead is not None:
        person, company_id = read_person(lead), lead.company_id
        counts = _count_files(person)
        delete_files(file_ids=_files_of(person))
        for holding in sorted(list_holdings(), key=lambda each: each.model == "leads.Lead"):
            if _is_theirs(holding):
                counts[holding.model] = _empty(holding, person)
        _leave_company(company_id, counts)
        erasure.identity_hash = next(iter(person.identities), "")
        if erasure.keeps_out:
            for identity in person.identities:
                ErasedIdentity.objects.get_or_create(hash=identity, defaults={"erasure": erasure})
        _take_out(lead.pk, now)
    erasure.counts = {model: count for model, count in counts.items() if count}
    erasure.state, erasure.erased_at = ErasureState.DONE, now
    erasure.save()
    cancel(kind=ERASE_KIND, subjects=[erasure.pk])
    record(
        act="person.erased",
        subject=f"#{erasure.lead_number}",
        by=erasure.asked_by,
        now=now,
        detail={"rows": sum(erasure.counts.values()), "erasure": erasure.pk, "ground": erasure.ground},
    )


def _is_theirs(holding: Holding) -> bool:
    return bool(holding.lead or holding.told)


def rows_of(holding: Holding, person: Person) -> QuerySet[Any, Any]:
    """The rows that tell of a person."""
    model: Any = holding.model_class
    theirs = Q(**{holding.lead: person.lead_id}) if holding.lead else Q()
    if holding.told and (named := _find_named(holding, person)):
        theirs |= Q(pk__in=named)
    elif not holding.lead:
        return model.objects.none()  # type: ignore[no-any-return]
    return model.objects.filter(theirs)  # type: ignore[no-any-return]


def _find_named(holding: Holding, person: Person) -> list[int]:
    """The ids of rows in whose columns the person is named."""
    patterns = person.patterns(by_name=holding.by_name)
    meta = holding.model_class._meta
    conditions = []
    for name in holding.told:
        column = f'"{meta.get_field(name).column}"::text'  # type: ignore[union-attr]
        if patterns:
            conditions.append(f"{column} ILIKE ANY (%(patterns)s)")
        if person.digits:
            conditions.append(f"regexp_replace({column}, '\\D', '', 'g') LIKE %(digits)s")
    if not conditions:
        return []
    assert meta.pk is not None
    key = meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT "{key}" FROM "{meta.db_table}" WHERE {" OR ".join(conditions)}',  # noqa: S608 - names of our own
            {"patterns": patterns, "digits": f"%{person.digits}%"},
        )
        return [pk for (pk,) in cursor.fetchall()]


def _empty(holding: Holding, person: Person) -> int:
    rows = rows_of(holding, person)
    if holding.deletes:
        count = rows.count()
        rows.delete()
        return count
    return rows.update(**holding.empty) if holding.empty else 0


def _files_of(person: Person) -> list[int]:
    """Files that name the person in their name or a piece, and those in which nobody can look: workbooks, ZIPs."""
    by_name = Q()
    for text in (*person.texts, person.name):
        if text:
            by_name |= Q(name__icontains=text)
    named = StoredFile.objects.filter(by_name) if by_name else StoredFile.objects.none()
    found = set(named.values_list("pk", flat=True))
    packed = Q(name__iendswith=".xlsx") | Q(name__iendswith=".zip")
    found |= set(StoredFile.objects.filter(packed).values_list("pk", flat=True))
    wanted = [text.encode() for text in (*person.texts, person.name) if text]
    if wanted:
        looked = " OR ".join("position(%s::bytea IN content) > 0" for _text in wanted)
        with connection.cursor() as cursor:
            table = StoredPiece._meta.db_table
            cursor.execute(f"SELECT DISTINCT file_id FROM {table} WHERE {looked}", wanted)  # noqa: S608 - ours
            found |= {file_id for (file_id,) in cursor.fetchall()}
    return sorted(found)


def _count_files(person: Person) -> dict[str, int]:
    count = len(_files_of(person))
    return {"core.StoredFile": count} if count else {}


def _leave_company(company_id: int | None, counts: dict[str, int]) -> None:
    """A company that nobody else is of says who the person was; it goes with them."""
    if company_id is not None and not Lead.objects.filter(company=company_id).exists():
        Company.objects.filter(pk=company_id).delete()
        counts["leads.Company"] = 1


def _take_out(lead_id: int, now: datetime) -> None:
    """What is left is out: nobody calls it, writes to it or waits for it."""
    stage = Stage(LeadState.objects.get(pk=lead_id).stage)
    if stage != Stage.DISQUALIFIED:
        move = Move(lead_id, stage, Stage.DISQUALIFIED, MoveAct.DISQUALIFY, reason=ERASED)
        move_leads(moves=[move], now=now, act_check=False)
    run_pipeline(lead_ids=[lead_id], reason=Reason(ReasonCode.ACT), now=now)


def rows_by_table(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Tables with their rows, by the name of the table."""
    return sorted((apps.get_model(label)._meta.db_table, count) for label, count in counts.items())


@tenant_task(name="leads.continue_erasure")
def continue_erasure(*, erasure_id: int) -> None:
    """Erase whoever was asked for."""
    advance_erasure(erasure_id=erasure_id, now=timezone.now())


def _advance_due(erasure_ids: Sequence[int], now: datetime) -> None:
    for erasure_id in erasure_ids:
        advance_erasure(erasure_id=erasure_id, now=now)


register_due_kind(DueKind(ERASE_KIND, act=_advance_due, batch_size=1))
