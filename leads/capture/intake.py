"""Taking in what a door has parsed: find the lead or make it, write what is new, say what came of each row.

The same for one API call, a form and a file of 100,000 rows. Rows that share an identity are taken in one after the other,
in waves, so later rows see earlier ones; everything within a wave is written in a fixed number of statements.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from django.db import connection
from django.utils.translation import gettext_lazy as _

from leads.capture import writing
from leads.capture.companies import (
    attach_found_companies,
    find_or_make_companies,
    recognise_companies,
)
from leads.capture.fields import make_sort_key
from leads.capture.inputs import EventInput, LeadInput
from leads.erasure.identities import ERASED_CODE, identities_of, is_anyone_kept_out, list_kept_out
from leads.events import NewEvent, record_events
from leads.models import Stage
from leads.pipeline import PipelineResult, Reason, run_pipeline
from leads.standings import NewStanding, write_standings
from tenancy.errors import Conflict, FieldProblem, Invalid, Problem
from tenancy.models import Tenant
from tenancy.scope import require_tenant_id

Outcome = Literal["new", "updated", "unchanged"]

# From so many on, asking whether anybody is kept out costs less than the hashes of all.
MANY_ROWS: Final = 100
# Of the advisory lock under which companies are found or made ahead.
PREPARING: Final = 7_263_811
# Two callers may make the same lead at once: the loser of the race sees the winner's row in the next wave.
RACE_RETRIES: Final = 5


class TwoLeads(Conflict):
    """External id and e-mail point at two leads."""


class OtherExternalId(Conflict):
    """The lead with this e-mail has another external id."""


class LostRace(Conflict):
    """Somebody else made or changed the same lead again and again while this row was taken in."""


class NobodyNamed(Invalid):
    """Neither external id, e-mail, phone nor name: there is nobody to keep."""


class ErasedPerson(Conflict):
    """The person was erased and is not to be taken in again."""


class PreparedCompany(NamedTuple):
    """The company that a row tells of (None if it tells of none), and whether the row changed or made it.

    ``is_unknown``: its lead was looked for and is not there.
    """

    company: dict[str, Any] | None
    has_changed: bool
    is_unknown: bool


@dataclass
class Intake:
    """One row on its way: what came in, and what came of it."""

    given: LeadInput
    lead_id: int | None = None
    outcome: Outcome = "unchanged"
    problem: Problem | None = None
    # An event of another row has the message id of one of its own: these are recorded together, in order.
    shares_events: bool = False
    known: dict[str, Any] | None = field(default=None, repr=False)
    company: dict[str, Any] | None = field(default=None, repr=False)
    # The company was found or made before, and whether the row changed it.
    prepared: "PreparedCompany | None" = field(default=None, repr=False)
    # Looked for just now and not found: somebody may have been quicker, which shows when the lead is made.
    is_unknown: bool = False
    # The standing of the lead that it made, not written yet.
    newborn: NewStanding | None = field(default=None, repr=False)
    # Another row of the wave, or another caller, was first: taken in again after it.
    is_deferred: bool = False

    def touch(self) -> None:
        """Note that the row changed its lead."""
        if self.outcome == "unchanged":
            self.outcome = "updated"


def prepare_companies(*, rows: Sequence[LeadInput]) -> list[PreparedCompany]:
    """Find or make what rows tell of companies, and origins, ahead of ``take_in`` and in a transaction of its own: so two
    imports, or the two processes of one, wait for each other as long as something is made and no longer.

    No two rows may share an identity. Of a row that will be refused nothing is written.
    """
    intakes = [Intake(given) for given in rows]
    match_rows(intakes, is_locking=False)
    good = [row for row in intakes if row.problem is None]
    left = recognise_companies(good)
    # The origin of a further contact is none of a lead's.
    origins = writing.list_new_origins(
        [row.given for row in good if row.known is None or row.known["origin"] is None]
    )
    if left or origins:
        with connection.cursor() as cursor:
            # Nothing is waited for that is of no use by itself: it is on the disk with the rows that refer to it later.
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, %s), set_config('synchronous_commit', 'off', true)",
                [PREPARING, require_tenant_id() % 2**31],
            )
        writing.write_origins(origins)
        find_or_make_companies(left)
    return [PreparedCompany(row.company, row.outcome != "unchanged", row.known is None) for row in intakes]


def refuse_erased(rows: Sequence[Intake]) -> None:
    """Rows about somebody who was erased, and is to be kept out, get that as their problem."""
    if len(rows) >= MANY_ROWS and not is_anyone_kept_out():
        return
    hashes = {id(row): identities_of(row.given.email, row.given.external_id, row.given.phone) for row in rows}
    kept_out = list_kept_out({each for found in hashes.values() for each in found})
    if not kept_out:
        return
    message = _("This person was erased at their wish, and is not taken in again.")
    for row in rows:
        if row.known is None and not kept_out.isdisjoint(hashes[id(row)]):
            row.problem = ErasedPerson(message, errors=[FieldProblem("email", ERASED_CODE, message)])


def take_in(
    *,
    rows: Sequence[LeadInput],
    now: datetime,
    is_live: bool,
    companies: Sequence[PreparedCompany] | None = None,
    leaves_standings: bool = False,
) -> list[Intake]:
    """Write the rows into the current tenant, in order; the caller runs the pipeline on what changed.

    ``companies`` are what ``prepare_companies`` gave for them. A row that cannot be taken in carries its ``problem``; nothing of
    it is written. ``leaves_standings``: of leads that are made from history, ``newborn`` is for the caller to hand on to the
    pipeline, which writes it with their first score and grade.
    """
    taken = [Intake(given) for given in rows]
    for row, prepared in zip(taken, companies or (), strict=companies is not None):
        row.prepared, row.is_unknown = prepared, prepared.is_unknown
    for wave in waves(taken):
        pending, races = wave, 0
        while pending and races < RACE_RETRIES:
            _write_left_standings(taken, pending, now)
            take_in_wave(pending, now, is_live=is_live, leaves_standings=leaves_standings and not is_live)
            pending = [row for row in pending if row.is_deferred]
            races += any(row.lead_id is None for row in pending)
        for row in pending:
            row.problem = LostRace(_("Others keep writing this lead at the same time. Send it again."))
    return taken


def _write_left_standings(taken: Sequence[Intake], pending: Sequence[Intake], now: datetime) -> None:
    """Write the standings of leads that earlier rows made and one of the pending rows names."""
    left = [row for row in taken if row.newborn]
    named = {key for row in pending for key in _identities(row.given)} if left else set()
    wanted = [row for row in left if not named.isdisjoint(_identities(row.given))]
    write_standings([row.newborn for row in wanted if row.newborn], now=now)
    for row in wanted:
        row.newborn = None


def _identities(given: LeadInput) -> list[tuple[str, str]]:
    keys = (("id", given.external_id), ("email", given.email))
    return [(kind, key) for kind, key in keys if key]


def run_after_intake(
    *, taken: Sequence[Intake], reason: Reason, now: datetime, tenant: Tenant | None = None
) -> PipelineResult:
    """Run the pipeline on every lead that the rows made or changed."""
    changed = {row.lead_id for row in taken if row.lead_id is not None and row.outcome != "unchanged"}
    return run_pipeline(lead_ids=changed, reason=reason, now=now, tenant=tenant)


def waves(rows: Sequence[Intake]) -> Iterator[list[Intake]]:
    """Split rows so that no two of a wave share an external id or an e-mail, each after those it shares one with."""
    wave_of_key: dict[tuple[str, str], int] = {}
    waves_: list[list[Intake]] = []
    for row in rows:
        present = _identities(row.given)
        number = max((wave_of_key.get(key, -1) for key in present), default=-1) + 1
        wave_of_key.update(dict.fromkeys(present, number))
        if number == len(waves_):
            waves_.append([])
        waves_[number].append(row)
    yield from waves_


def take_in_wave(
    rows: Sequence[Intake], now: datetime, *, is_live: bool, leaves_standings: bool = False
) -> None:
    """Take in rows of which no two share an identity."""
    match_rows(rows)
    good = [row for row in rows if row.problem is None and not row.is_deferred]
    find_or_make_companies([row for row in good if row.prepared is None])
    find_shared_events(good)
    insert_leads(
        [row for row in good if row.known is None], now, is_live=is_live, leaves_standings=leaves_standings
    )
    good = [row for row in good if not row.is_deferred]
    update_leads([row for row in good if row.known is not None], now, is_live=is_live)
    attach_found_companies(good)
    writing.write_tags(good)
    writing.write_custom_values(good)
    writing.write_consents(good, now)
    write_events([row for row in good if row.known or row.shares_events], now, is_live=is_live)
    if is_live:
        writing.offer_to_sales(
            [
                row.lead_id
                for row in good
                if row.given.stage == Stage.SALES_QUALIFIED and row.outcome != "unchanged" and row.lead_id
            ],
            now,
        )
        writing.make_live([row.lead_id for row in good if row.outcome == "updated" and row.lead_id], now)


def match_rows(rows: Sequence[Intake], *, is_locking: bool = True) -> None:
    """Find the lead each row is about; a row that contradicts what is known gets its problem."""
    sought = [row.given for row in rows if not row.is_unknown]
    by_external_id, by_email = writing.find_leads(
        external_ids=[given.external_id for given in sought if given.external_id],
        emails=[given.email for given in sought if given.email],
        is_locking=is_locking,
    )
    seen: set[int] = set()
    for row in rows:
        given = row.given
        named = by_external_id.get(given.external_id) if given.external_id else None
        mailed = by_email.get(given.email) if given.email else None
        row.known, row.company, row.outcome = named or mailed, None, "unchanged"
        # Looked for the next time.
        row.is_unknown = False
        if row.prepared is not None:
            row.company = row.prepared.company
            if row.prepared.has_changed:
                row.touch()
        row.problem = contradiction(given, named, mailed)
        row.lead_id = row.known["id"] if row.known and row.problem is None else None
        row.is_deferred = row.lead_id in seen
        if row.lead_id is not None:
            seen.add(row.lead_id)
    refuse_erased([row for row in rows if row.problem is None])


def contradiction(
    given: LeadInput, named: dict[str, Any] | None, mailed: dict[str, Any] | None
) -> Problem | None:
    """Why a row cannot be taken in, or None."""
    if named and mailed and named["id"] != mailed["id"]:
        return TwoLeads(
            _(
                "The external id belongs to lead %(first)s and the e-mail to lead %(second)s. Correct one of the two."
            )
            % {"first": named["id"], "second": mailed["id"]},
            errors=[
                FieldProblem("external_id", "other_lead", _("Lead %(id)s has it.") % {"id": named["id"]}),
                FieldProblem("email", "other_lead", _("Lead %(id)s has it.") % {"id": mailed["id"]}),
            ],
        )
    if not named and mailed and given.external_id and mailed["external_id"] not in (None, given.external_id):
        return OtherExternalId(
            _("Lead %(id)s has this e-mail and the external id “%(known)s”, not “%(given)s”.")
            % {"id": mailed["id"], "known": mailed["external_id"], "given": given.external_id},
            errors=[FieldProblem("external_id", "other_external_id", _("The lead has another external id."))],
        )
    if not named and not mailed and not (given.external_id or given.email or given.phone or given.name):
        return NobodyNamed(
            _(
                "Send an e-mail, an external id, a phone or a name: without one of them there is nobody to keep."
            ),
            errors=[
                FieldProblem("email", "required", _("Give an e-mail, an external id, a phone or a name."))
            ],
        )
    return None


def insert_leads(
    rows: Sequence[Intake], now: datetime, *, is_live: bool, leaves_standings: bool = False
) -> None:
    """Make the leads that are not known yet with what they did, in the order of their keys; a row whose key was taken meanwhile
    lost a race."""
    ordered = sorted(rows, key=lambda row: (row.given.external_id or "", row.given.email or ""))
    given = [
        writing.NewLead(
            row.given,
            row.company["id"] if row.company else None,
            () if row.shares_events else [_new_event(event, None, now) for event in row.given.events],
        )
        for row in ordered
    ]
    # Events that are recorded later are noted on the standing.
    leaves_standings = leaves_standings and not any(row.shares_events for row in ordered)
    made = writing.insert_leads(given, now, is_live=is_live, leaves_standings=leaves_standings)
    for row, new in zip(ordered, made, strict=True):
        row.is_deferred = new is None
        if new is not None:
            row.lead_id, row.newborn, row.outcome = new.lead_id, new.standing, "new"


def update_leads(rows: Sequence[Intake], now: datetime, *, is_live: bool = True) -> None:
    """Merge what the rows say into the leads they are about."""
    changed: list[dict[str, Any]] = []
    touches: list[tuple[int, LeadInput]] = []
    row_of = {row.known["id"]: row for row in rows if row.known is not None}
    for lead_id, row in row_of.items():
        assert row.known is not None
        merged, is_touch = merge(row.known, row.given)
        if any(merged[name] != row.known[name] for name in writing.LEAD_COLUMNS):
            changed.append(merged)
            row.touch()
        if is_touch:
            touches.append((lead_id, row.given))
    if touches and not is_live:
        touches = writing.leave_out_known_touches(touches)
    writing.update_leads(changed)
    writing.write_touches(touches, now)
    standing = writing.update_standing([row.given for row in rows], [row.known for row in rows], now)
    for lead_id in (*standing, *(lead_id for lead_id, _row in touches)):
        row_of[lead_id].touch()


def merge(known: dict[str, Any], given: LeadInput) -> tuple[dict[str, Any], bool]:
    """What a lead becomes, and whether the row tells of another touch than the first.

    A blank never erases; a value replaces, but the earliest creation and the first touch stay.
    """
    merged, is_touch = dict(known), False
    formerly = _named_formerly(known, given)
    for name in writing.LEAD_COLUMNS:
        value = getattr(given, name)
        if value is None or value == known[name] or name in formerly:
            continue
        if given.is_name_partial and name in ("name", "name_key"):
            continue
        if name == "created_at":
            merged[name] = min(known[name], value)
        elif name in writing.SOURCE and known[name] is not None:
            is_touch = True
        else:
            merged[name] = value
    if given.is_name_partial and known["name"] in (None, full_name(known)):
        merged["name"] = full_name(merged)
        merged["name_key"] = make_sort_key(merged["name"] or "")
    merged["origin_label"] = given.origin_label
    return merged, is_touch


def _named_formerly(known: dict[str, Any], given: LeadInput) -> set[str]:
    """The identities by which a row names a lead that was merged into this one: they are not this one's new ones."""
    aliases = {tuple(alias) for alias in known.get("aliases", ())}
    names = {name for name in ("external_id", "email") if (name, getattr(given, name)) in aliases}
    return names | ({"email_kind"} if "email" in names else set())


def full_name(lead: dict[str, Any]) -> str | None:
    """First and last name as one, as far as they are known."""
    return " ".join(part for part in (lead["first_name"], lead["last_name"]) if part) or None


def find_shared_events(rows: Sequence[Intake]) -> None:
    """Note which rows tell of an event that another one tells of, too: whose it is depends on their order."""
    times = Counter(event.message_id for row in rows for event in row.given.events if event.message_id)
    for row in rows:
        row.shares_events = any(times[event.message_id or ""] > 1 for event in row.given.events)


def write_events(rows: Sequence[Intake], now: datetime, *, is_live: bool) -> None:
    """Record what came with rows; an event alone makes its lead updated."""
    told = [(row, event) for row in rows for event in row.given.events]
    events = [_new_event(event, row.lead_id, now) for row, event in told]
    for (row, _event), recorded in zip(
        told, record_events(events=events, now=now, is_live=is_live), strict=True
    ):
        if recorded.is_new:
            row.touch()


def _new_event(event: EventInput, lead_id: int | None, now: datetime) -> NewEvent:
    return NewEvent(
        type=event.type,
        occurred_at=event.occurred_at or now,
        lead_id=lead_id,
        message_id=event.message_id,
        properties=event.properties,
    )
