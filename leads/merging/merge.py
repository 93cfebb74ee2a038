"""Making one lead of two, and taking them apart again.

Both happen in one transaction with both leads locked against everybody, those who only refer to them included. The loser's
row goes; the record keeps it, with everything that was moved, changed or put aside. Afterwards the pipeline makes of the survivor
what follows.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.due import DueKind, list_kinds_locked_by, register_due_kind, schedule
from core.models import DueRow
from leads.merging.fields import (
    CUSTOM,
    SIDES,
    SOURCE,
    Side,
    check_choices,
    default_side,
    merged_columns,
)
from leads.merging.records import (
    Record,
    Row,
    delete_ids,
    insert_rows,
    move_rows,
    read_rows,
    restore_rows,
    take_rows,
    update_row,
)
from leads.merging.standing import VISIT, leading_side, merged_state
from leads.merging.tables import Fate, LeadTable, list_lead_tables, prepare_merge
from leads.models import (
    Consent,
    CustomField,
    CustomValue,
    Decision,
    Handover,
    IdentityKind,
    Lead,
    LeadAlias,
    LeadMerge,
    LeadState,
    Opportunity,
    Stage,
    Touch,
)
from leads.pipeline import Reason, ReasonCode, lock_free_leads, run_pipeline
from leads.selectors import LeadNotFound, is_lead_id
from tenancy.audit import record as audit
from tenancy.audit import register_acts
from tenancy.errors import Conflict, FieldProblem, Invalid, NotFound
from tenancy.fields import TenantForeignKey
from tenancy.models import Membership
from tenancy.rights import require

UNDO_FOR: Final = timedelta(days=30)
FORGET_KIND: Final = "merge.forget"
LEAD: Final = Lead._meta.db_table
STATE: Final = LeadState._meta.db_table
DUE: Final = DueRow._meta.db_table
# Of these decisions the newest one of a topic explains how the lead stands: the one of whom it is not the case is put aside.
EXPLAINING: Final = ("score", "grade")


class CannotMerge(Conflict):
    """These two leads cannot be made one."""


class SameLead(Invalid):
    """A lead cannot be merged with itself."""


class MergeNotFound(NotFound):
    """There is no such merge."""


class CannotUndo(Conflict):
    """The merge can no longer be undone."""


def merge_leads(
    *, survivor_id: int, loser_id: int, choices: Mapping[str, Any], by: Membership, now: datetime
) -> LeadMerge:
    """Make the loser a part of the survivor. ``choices``: by field whose value stays, "survivor" or "loser".

    The names are those of ``fields.CHOICES`` and ``custom.NAME``; what is not chosen is as ``default_side`` says. Raises
    NotAllowed, SameLead, LeadNotFound, InvalidChoice, CannotMerge.
    """
    require(by, "lead.merge")
    if survivor_id == loser_id:
        raise SameLead(_("Choose another lead: this is the same one."))
    _lock(survivor_id, loser_id)
    fields = dict(CustomField.objects.values_list("name", "id"))
    sides = check_choices(choices, set(fields))
    prepare_merge(survivor_id=survivor_id, loser_id=loser_id, now=now)
    done = Record()
    for side, lead_id in zip(SIDES, (survivor_id, loser_id), strict=True):
        [done.leads[side]] = read_rows(LEAD, "kept.id = %s", lead_id)
        [done.states[side]] = read_rows(STATE, "kept.lead_id = %s", lead_id)
    leading = leading_side(done.states["survivor"], done.states["loser"], open_deals=_open_deals(done))
    _settle_handovers(done, leading, now)
    _settle_consents(done, now)
    _settle_decisions(done, leading)
    chosen = {
        fields[name.removeprefix(CUSTOM)]
        for name, side in sides.items()
        if name.startswith(CUSTOM) and side == "loser"
    }
    for table in list_lead_tables():
        _settle_rows(done, table, chosen if table.model is CustomValue else set())
    lead = merged_columns(done.leads["survivor"], done.leads["loser"], sides)
    state = merged_state(done.states["survivor"], done.states["loser"], leading=leading)
    done.leads["merged"], done.states["merged"] = lead, state
    done.put_aside(DUE, take_rows(DUE, "kept.subject = %s AND kept.kind = ANY (%s)", loser_id, _lead_kinds()))
    with connection.cursor() as cursor:
        # Nothing refers to it any more: what Django would look for and delete by itself is moved or put aside.
        cursor.execute("DELETE FROM leads_lead WHERE id = %s", [loser_id])
    update_row(LEAD, "id", survivor_id, lead)
    update_row(STATE, "lead_id", survivor_id, state)
    _keep_source(
        done, sides.get("source") or default_side("source", done.leads["survivor"], done.leads["loser"])
    )
    _keep_identities(done)
    merge: LeadMerge = LeadMerge.objects.create(
        survivor_id=survivor_id,
        loser_id=loser_id,
        loser_name=_name_of(done.leads["loser"]),
        merged_at=now,
        merged_by=by,
        undo_until=now + UNDO_FOR,
        record=done.as_json(),
    )
    schedule(kind=FORGET_KIND, due={merge.pk: merge.undo_until})
    _audit("lead.merged", merge, by, now)
    run_pipeline(lead_ids=[survivor_id], reason=Reason(ReasonCode.ACT, actor_id=by.pk), now=now)
    return merge


def _lock(*lead_ids: int) -> None:
    """Lock leads in id order against everybody, also against rows that begin to refer to them. Raises LeadNotFound.

    Only then is everything read: a statement that waits for a lock sees other tables as they were before.
    """
    known = [lead_id for lead_id in lead_ids if is_lead_id(lead_id)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM leads_lead WHERE id = ANY (%s::bigint[]) ORDER BY id FOR UPDATE", [known]
        )
        found = {lead_id for (lead_id,) in cursor.fetchall()}
    missing = [lead_id for lead_id in lead_ids if lead_id not in found]
    if missing:
        raise LeadNotFound(_("There is no lead %(id)s.") % {"id": missing[0]})


def _lead_kinds() -> list[str]:
    """The kinds of due rows whose subject is a lead."""
    return list_kinds_locked_by(lock_free_leads)


def _name_of(row: Row) -> str:
    return next(
        (row[name] for name in ("name", "email", "external_id", "phone") if row[name]), f"#{row['id']}"
    )


def _open_deals(done: Record) -> set[Side]:
    """Who has an open opportunity. Raises CannotMerge if both have: neither may be lost from sight."""
    ids = {done.leads[side]["id"]: side for side in SIDES}
    found = Opportunity.objects.filter(lead__in=list(ids), outcome="open").values_list("lead", flat=True)
    sides: set[Side] = {ids[lead_id] for lead_id in found}  # type: ignore[misc]
    if len(sides) == 2:
        raise CannotMerge(
            _("Both leads have an open opportunity. Win or lose one of them first, then merge.")
        )
    return sides


# Before the rows move -----------------------------------------------------------------------------------------------


def _settle_handovers(done: Record, leading: Side, now: datetime) -> None:
    """Only the offer of the lead whose stage stays goes on, and only while that is SQL."""
    stays = done.leads[leading]["id"] if done.states[leading]["stage"] == Stage.SALES_QUALIFIED else None
    ids = [done.leads[side]["id"] for side in SIDES if done.leads[side]["id"] != stays]
    offers = Handover.objects.filter(lead__in=ids, answer__isnull=True)
    done.note_before(
        Handover._meta.db_table,
        read_rows(Handover._meta.db_table, "kept.lead_id = ANY (%s) AND kept.answer IS NULL", ids),
    )
    offers.update(answer="withdrawn", answered_at=now)


def _settle_consents(done: Record, now: datetime) -> None:
    """The strictest wins: what either has withdrawn altogether is withdrawn for both."""
    ids = [done.leads[side]["id"] for side in SIDES]
    standing: dict[tuple[int, str], bool] = {}
    for lead_id, purpose, withdrawn_at in Consent.objects.filter(lead__in=ids).values_list(
        "lead", "purpose", "withdrawn_at"
    ):
        standing[lead_id, purpose] = standing.get((lead_id, purpose), True) and withdrawn_at is not None
    refused = sorted({purpose for (_lead, purpose), is_withdrawn in standing.items() if is_withdrawn})
    table = Consent._meta.db_table
    condition = "kept.lead_id = ANY (%s) AND kept.purpose = ANY (%s) AND kept.withdrawn_at IS NULL"
    done.note_before(table, read_rows(table, condition, ids, refused))
    Consent.objects.filter(lead__in=ids, purpose__in=refused, withdrawn_at__isnull=True).update(
        withdrawn_at=now
    )


def _settle_decisions(done: Record, leading: Side) -> None:
    """What explains a score, a grade or an owner that is no longer the survivor's is put aside: else "why" would tell of it."""
    table = Decision._meta.db_table
    survivor, loser = (done.leads[side]["id"] for side in SIDES)
    done.put_aside(
        table, take_rows(table, "kept.lead_id = %s AND kept.kind = ANY (%s)", loser, list(EXPLAINING))
    )
    merged = done.states["survivor"] | merged_state(
        done.states["survivor"], done.states["loser"], leading=leading
    )
    for topic in ("marketing", "sdr", "sales"):
        column = f"owner_{topic}_id"
        of_loser = merged[column] != done.states["survivor"][column]
        done.put_aside(
            table,
            take_rows(
                table,
                "kept.lead_id = %s AND kept.kind = 'owner' AND kept.topic = %s",
                survivor if of_loser else loser,
                topic,
            ),
        )


def _settle_rows(done: Record, table: LeadTable, chosen: set[int]) -> None:
    """Move the loser's rows of one table, put them aside, or drop them."""
    survivor, loser = (done.leads[side]["id"] for side in SIDES)
    mine = f'kept."{table.column}" = %s'
    if table.fate is Fate.DROP:
        take_rows(table.name, mine, loser)
        return
    if table.fate is Fate.PUT_ASIDE:
        # Its state stands in the record already.
        rows = take_rows(table.name, mine, loser)
        if table.model is not LeadState:
            done.put_aside(table.name, rows)
        return
    if table.watched:
        done.note_before(
            table.name,
            read_rows(table.name, f'kept."{table.column}" = ANY (%s) AND {table.watched}', [survivor, loser]),
        )
    if table.key:
        _make_way(done, table, survivor, loser, chosen)
    moved = move_rows(table.name, table.column, source=loser, target=survivor)
    done.moved.setdefault(table.name, {})[table.column] = moved


def _make_way(done: Record, table: LeadTable, survivor: int, loser: int, chosen: set[int]) -> None:
    """Of two rows of one key put one aside: the loser's, unless it is newer where that counts, or was chosen."""
    same = " AND ".join(f'other."{column}" = kept."{column}"' for column in table.key)
    newer = f'other."{table.newest_by}" >= kept."{table.newest_by}"' if table.newest_by else "true"
    if chosen:
        newer = "NOT kept.field_id = ANY (%s)"
    condition = (
        f'kept."{table.column}" = %s AND EXISTS (SELECT FROM "{table.name}" other'
        f' WHERE other."{table.column}" = %s AND {same} AND {newer})'
    )
    more = [sorted(chosen)] if chosen else []
    done.put_aside(table.name, take_rows(table.name, condition, loser, survivor, *more))
    twin = (
        f'kept."{table.column}" = %s AND EXISTS (SELECT FROM "{table.name}" other'
        f' WHERE other."{table.column}" = %s AND {same})'
    )
    done.put_aside(table.name, take_rows(table.name, twin, survivor, loser))


# After the loser is gone --------------------------------------------------------------------------------------------


def _keep_source(done: Record, side: Side) -> None:
    """The source that did not stay is a touch, as any later one is."""
    other = done.leads["loser" if side == "survivor" else "survivor"]
    stayed = done.leads[side]
    source = {column: other[column] for column in SOURCE}
    if any(source.values()) and source != {column: stayed[column] for column in SOURCE}:
        touch = Touch.objects.create(lead_id=done.leads["survivor"]["id"], at=other["created_at"], **source)
        done.made[Touch._meta.db_table] = [touch.pk]


def _keep_identities(done: Record) -> None:
    """Whoever sends an e-mail or external id that neither stays the lead's own still means the survivor."""
    survivor = done.leads["survivor"]
    merged = survivor | done.leads["merged"]
    aliases = LeadAlias.objects.bulk_create(
        LeadAlias(lead_id=survivor["id"], kind=kind, value=value)
        for kind in IdentityKind.values
        for value in {done.leads[side][kind] for side in SIDES} - {merged[kind], None}
    )
    done.made[LeadAlias._meta.db_table] = [alias.pk for alias in aliases]


# Undo ---------------------------------------------------------------------------------------------------------------


def undo_merge(*, merge_id: int, by: Membership, now: datetime) -> LeadMerge:
    """Take two merged leads apart: each gets its own rows back; what came afterwards stays with the survivor.

    Raises MergeNotFound, NotAllowed, CannotUndo.
    """
    require(by, "lead.merge")
    merge = get_merge(merge_id=merge_id)
    _lock(merge.survivor_id)
    LeadMerge.objects.select_for_update().filter(pk=merge_id).exists()
    merge = get_merge(merge_id=merge_id)
    _expect_undoable(merge, now)
    done = Record(**merge.record)
    survivor_id, loser_id = merge.survivor_id, merge.loser_id
    _expect_unanswered(done, survivor_id)
    for table, ids in done.made.items():
        delete_ids(table, ids)
    [lead] = read_rows(LEAD, "kept.id = %s", survivor_id)
    [state] = read_rows(STATE, "kept.lead_id = %s", survivor_id)
    update_row(LEAD, "id", survivor_id, _given_back(lead, done.leads))
    _expect_free(done.leads["loser"])
    insert_rows(LEAD, [_without_gone(Lead, done.leads["loser"])])
    update_row(STATE, "lead_id", survivor_id, _standing_given_back(state, done.states))
    insert_rows(STATE, [_without_gone(LeadState, done.states["loser"])])
    for name, columns in done.moved.items():
        for column, ids in columns.items():
            move_rows(name, column, source=survivor_id, target=loser_id, ids=ids)
    for name, rows in done.aside.items():
        insert_rows(name, rows)
    since = {each.name: each.since for each in list_lead_tables() if each.since is not None}
    for name, rows in done.before.items():
        restore_rows(name, since[name](rows) if name in since else rows)
    for each in list_lead_tables():
        if each.after_undo is not None:
            each.after_undo([survivor_id, loser_id], now)
    merge.undone_at, merge.undone_by, merge.record = now, by, {}
    merge.save(update_fields=["undone_at", "undone_by", "record"])
    _audit("lead.merge_undone", merge, by, now)
    run_pipeline(lead_ids=[survivor_id, loser_id], reason=Reason(ReasonCode.ACT, actor_id=by.pk), now=now)
    return merge


def _expect_undoable(merge: LeadMerge, now: datetime) -> None:
    if merge.undone_at is not None:
        raise CannotUndo(_("This merge is undone already."))
    if now > merge.undo_until or not merge.record:
        raise CannotUndo(_("A merge can be undone within 30 days. That time has passed."))
    later = LeadMerge.objects.filter(survivor=merge.survivor_id, undone_at__isnull=True, pk__gt=merge.pk)
    newer = later.order_by("-pk").first()
    if newer is not None:
        raise CannotUndo(
            _("Afterwards %(name)s was merged into this lead, too. Undo that first.")
            % {"name": newer.loser_name}
        )


def _expect_unanswered(done: Record, survivor_id: int) -> None:
    """An offer or an opportunity that came with the loser and has been answered since belongs to what came afterwards."""
    if done.states["loser"]["stage"] not in (Stage.SALES_QUALIFIED, Stage.OPPORTUNITY):
        return
    if (
        done.states["merged"].get("stage_at", done.states["survivor"]["stage_at"])
        != done.states["loser"]["stage_at"]
    ):
        return
    state = LeadState.objects.get(pk=survivor_id)
    if state.stage != done.states["loser"]["stage"]:
        raise CannotUndo(
            _(
                "The handover or opportunity that came with the other lead has been answered since. It stays as it is."
            )
        )


def _given_back(current: Row, rows: Mapping[str, Row]) -> Row:
    """The survivor's own columns, but for those that somebody has changed since."""
    return {
        column: rows["survivor"][column]
        for column, value in rows["merged"].items()
        if column in current and current[column] == value
    }


def _standing_given_back(current: Row, rows: Mapping[str, Row]) -> Row:
    """The survivor's own standing, unless it has moved on since: then only who is responsible, as with its columns."""
    given = _given_back(current, rows)
    merged = rows["survivor"] | rows["merged"]
    if current["stage"] != merged["stage"] or current["stage_at"] != merged["stage_at"]:
        return {column: value for column, value in given.items() if column not in VISIT}
    # What the pipeline has written since belongs to the visit.
    visit = {column: rows["survivor"][column] for column in VISIT if column in rows["merged"]}
    return given | visit


def _without_gone(model: Any, row: Row) -> Row:
    """A row without references to what is gone by now, as a team."""
    gone: Row = {}
    for field in model._meta.local_fields:
        if isinstance(field, TenantForeignKey) and row.get(field.column) is not None:
            others: Any = field.related_model
            if not others.objects.filter(pk=row[field.column]).exists():
                gone[field.column] = None
    return row | gone


def _expect_free(loser: Row) -> None:
    """Raise CannotUndo if somebody else has the loser's e-mail or external id by now."""
    for kind in IdentityKind.values:
        if loser[kind] is None:
            continue
        other = Lead.objects.filter(**{kind: loser[kind]}).values_list("pk", flat=True).first()
        alias = LeadAlias.objects.filter(kind=kind, value=loser[kind]).values_list("lead", flat=True).first()
        if other or alias:
            message = _("Lead %(id)s has %(value)s now. Change it there first.") % {
                "id": other or alias,
                "value": loser[kind],
            }
            raise CannotUndo(message, errors=[FieldProblem(kind, "other_lead", message)])


# Reads --------------------------------------------------------------------------------------------------------------


def get_merge(*, merge_id: int) -> LeadMerge:
    """A merge with its survivor. Raises MergeNotFound."""
    rows = LeadMerge.objects.select_related("survivor", "merged_by")
    merge: LeadMerge | None = rows.filter(pk=merge_id).first() if is_lead_id(merge_id) else None
    if merge is None:
        raise MergeNotFound(_("There is no such merge."))
    return merge


def find_survivor(*, lead_id: int) -> int | None:
    """The lead of which a lead that is gone is a part now, or None."""
    if not is_lead_id(lead_id):
        return None
    found: int | None = (
        LeadMerge.objects.filter(loser_id=lead_id, undone_at__isnull=True)
        .values_list("survivor", flat=True)
        .first()
    )
    return found


def list_merges(*, survivor_id: int | None = None, limit: int = 50) -> list[LeadMerge]:
    """The newest merges, of one survivor or of all, those that are undone included."""
    rows = LeadMerge.objects.select_related("survivor", "merged_by", "undone_by").defer("record")
    if survivor_id is not None:
        rows = rows.filter(survivor=survivor_id)
    return list(rows.order_by("-merged_at", "-pk")[:limit])


def is_undoable(merge: LeadMerge, *, now: datetime) -> bool:
    """Whether the time to undo a merge has not passed."""
    return merge.undone_at is None and now <= merge.undo_until


def _audit(act: str, merge: LeadMerge, by: Membership, now: datetime) -> None:
    detail = {"survivor": str(merge.survivor), "survivor_id": merge.survivor_id, "loser_id": merge.loser_id}
    audit(act=act, subject=merge.loser_name, by=by, now=now, detail=detail)


def _forget(merge_ids: list[int], now: datetime) -> None:
    """Let go of records that are of no more use: they hold personal values."""
    LeadMerge.objects.filter(pk__in=merge_ids, undo_until__lte=now).update(record={})


def register_merging() -> None:
    """Make known how merges read in the audit log, and that their records are kept for a time; called when the app is ready."""
    register_due_kind(DueKind(FORGET_KIND, act=lambda merge_ids, now: _forget(list(merge_ids), now)))
    register_acts(
        {
            "lead.merged": gettext_lazy(
                "Merged the lead %(subject)s (%(loser_id)s) into %(survivor)s (%(survivor_id)s)"
            ),
            "lead.merge_undone": gettext_lazy(
                "Took the lead %(subject)s (%(loser_id)s) out of %(survivor)s (%(survivor_id)s) again"
            ),
        }
    )
