"""Erasing a person: everything that says who they were goes, in one transaction; what counts stays, and says nothing of them.

The lead stays as a number with its stages and times, so that funnels and reports add up as before. A proof is kept: what was
erased, when, by whom, how many rows of which table, and the hash of the identity. Whoever is to be kept out is not taken in
again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.apps import apps
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.bisection import is_transient
from core.due import DueKind, cancel, register_due_kind, schedule
from core.stored_files import delete_files
from core.tasks import tenant_task, wake
from leads.erasure.holdings import Holding, list_holdings
from leads.erasure.people import (
    Person,
    find_files,
    find_rows,
    read_person,
    rows_in,
    rows_of,
    wait_for_captures,
)
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
MAX_GROUND: Final = 200
# For each table, while somebody waits for the page.
PREVIEW_LIMIT_MS: Final = 3_000
# The first half of the number of the lock that erasures share.
_LOCK: Final = 0x4552_4153


class NotConfirmed(Invalid):
    """What was typed is not what the lead is called."""


class NoSuchErasure(NotFound):
    """There is no such proof."""


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
    return {model: count for model, count in counts.items() if count} | _count_files(find_files([person]))


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
            erase_people(erasures=[erasure], now=now)
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


def hold_people(lead_ids: Sequence[int]) -> list[Lead]:
    """Lock leads in their order, after what came in about them.

    Whoever captures one of them waits, and then finds them neither by e-mail nor by id.
    """
    wait_for_captures([read_person(lead) for lead in Lead.objects.filter(pk__in=list(lead_ids))])
    return list(Lead.objects.select_for_update(of=("self",)).filter(pk__in=list(lead_ids)).order_by("pk"))


def erase_people(*, erasures: Sequence[Erasure], now: datetime, is_asked_for: bool = True) -> None:
    """Erase whom these are about, all in this transaction, and make proofs of them: each table is looked through once.

    Where it is not asked for, stored files stay, which expire within days, and the caller says in the audit log what was done;
    else each person is named there by their number.
    """
    _take_lock("pg_advisory_xact_lock_shared")
    by_lead = {erasure.lead_number: erasure for erasure in erasures}
    leads = hold_people(list(by_lead))
    people = [read_person(lead) for lead in leads]
    counts: dict[int, dict[str, int]] = {lead_id: {} for lead_id in by_lead}
    if people and is_asked_for and (files := find_files(people)):
        delete_files(file_ids=files)
        for person in people:
            counts[person.lead_id] |= _count_files(files)
    if people:
        for holding in sorted(list_holdings(), key=lambda each: each.model == "leads.Lead"):
            if _is_theirs(holding):
                for lead_id, count in _empty(holding, people).items():
                    counts[lead_id][holding.model] = count
        _leave_companies(leads, counts)
        _keep_out(people, by_lead)
        _take_out([lead.pk for lead in leads], now)
    for erasure in erasures:
        erasure.counts = {model: count for model, count in counts[erasure.lead_number].items() if count}
        erasure.state, erasure.erased_at = ErasureState.DONE, now
    Erasure.objects.bulk_update(erasures, ["counts", "state", "erased_at", "identity_hash"])
    cancel(kind=ERASE_KIND, subjects=[erasure.pk for erasure in erasures])
    for erasure in erasures if is_asked_for else ():
        _record(erasure, now)


def _record(erasure: Erasure, now: datetime) -> None:
    record(
        act="person.erased",
        subject=f"#{erasure.lead_number}",
        by=erasure.asked_by,
        now=now,
        detail={"rows": sum(erasure.counts.values()), "erasure": erasure.pk, "ground": erasure.ground},
    )


def _is_theirs(holding: Holding) -> bool:
    return bool(holding.lead or holding.told)


def _empty(holding: Holding, people: Sequence[Person]) -> Mapping[int, int]:
    """Delete or empty the rows that tell of people; how many of each."""
    found = find_rows(holding, people)
    if found.counts or found.named:
        rows = rows_in(holding, people, found.named)
        if holding.deletes:
            rows.delete()
        elif holding.empty:
            rows.update(**holding.empty)
    return found.counts if holding.deletes or holding.empty else {}


def _count_files(files: Sequence[int]) -> dict[str, int]:
    return {"core.StoredFile": len(files)} if files else {}


def _leave_companies(leads: Sequence[Lead], counts: Mapping[int, dict[str, int]]) -> None:
    """A company that nobody else is of says who the person was; it goes with them."""
    last_of = {lead.company_id: lead.pk for lead in leads if lead.company_id is not None}
    held = set(Lead.objects.filter(company__in=list(last_of)).values_list("company", flat=True))
    empty = last_of.keys() - held
    if empty:
        Company.objects.filter(pk__in=list(empty)).delete()
    for company_id in empty:
        counts[last_of[company_id]]["leads.Company"] = 1


def _keep_out(people: Sequence[Person], by_lead: Mapping[int, Erasure]) -> None:
    hashes = []
    for person in people:
        erasure = by_lead[person.lead_id]
        erasure.identity_hash = next(iter(person.identities), "")
        if erasure.keeps_out:
            hashes += [ErasedIdentity(hash=identity, erasure=erasure) for identity in person.identities]
    ErasedIdentity.objects.bulk_create(hashes, ignore_conflicts=True)


def _take_out(lead_ids: Sequence[int], now: datetime) -> None:
    """What is left is out: nobody calls it, writes to it or waits for it."""
    stages = dict(LeadState.objects.filter(pk__in=list(lead_ids)).values_list("lead", "stage"))
    move_leads(
        moves=[
            Move(lead_id, Stage(stage), Stage.DISQUALIFIED, MoveAct.DISQUALIFY, reason=ERASED)
            for lead_id, stage in sorted(stages.items())
            if stage != Stage.DISQUALIFIED
        ],
        now=now,
        act_check=False,
    )
    run_pipeline(lead_ids=list(lead_ids), reason=Reason(ReasonCode.ACT), now=now)


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
