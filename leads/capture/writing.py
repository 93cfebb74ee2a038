"""The statements by which intake reads and writes: each takes any number of rows."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import IntegrityError, connection, transaction

from leads.capture.inputs import LeadInput
from leads.conditions.statements import Statement
from leads.events import EVENT_COLUMNS, NewEvent
from leads.lifecycle import furthest_ordinal
from leads.models import Consent, CustomField, CustomType, MoveAct, Origin, Stage, Touch
from leads.standings import NewStanding
from tenancy.scope import require_tenant_id

if TYPE_CHECKING:
    from leads.capture.intake import Intake

# Columns of leads_lead that a row may fill, with their SQL types.
LEAD_COLUMNS: Final = {
    "external_id": "text",
    "email": "text",
    "email_kind": "text",
    "name": "text",
    "name_key": "text",
    "first_name": "text",
    "last_name": "text",
    "phone": "text",
    "job_title": "text",
    "seniority": "text",
    "country": "text",
    "state": "text",
    "city": "text",
    "postal_code": "text",
    "language": "text",
    "time_zone": "text",
    "origin": "text",
    "campaign": "text",
    "medium": "text",
    "landing_page": "text",
    "created_at": "timestamptz",
}
# From so many on, leads are made at once or, if somebody was quicker with one of them, once more.
MANY_LEADS: Final = 100
# Where a contact came from: filled once, then never replaced; a later different one is kept as a touch.
SOURCE: Final = ("origin", "campaign", "medium", "landing_page")
_COLUMNS: Final = ", ".join(LEAD_COLUMNS)
_TYPED: Final = ", ".join(f"{name} {kind}" for name, kind in LEAD_COLUMNS.items())


def as_json(value: Any) -> str:
    """Rows for json_to_recordset, keys for jsonb_array_elements; instants and days in ISO 8601.

    PostgreSQL reads flat rows a quarter faster as json than as jsonb; rows with documents in them at half its speed.
    """
    return json.dumps(value, default=_iso, ensure_ascii=False)


def _iso(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no column of a lead")


def find_leads(
    *, external_ids: Sequence[str], emails: Sequence[str], is_locking: bool = True
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The leads with these identities, locked in id order unless ``is_locking`` is false: by external id and by e-mail.

    A lead is found, too, by what leads were known by that were merged into it: its ``aliases`` are pairs of kind and value.
    """
    if not external_ids and not emails:
        return {}, {}
    statement = _FIND_AND_LOCK if is_locking else _FIND
    rows = statement.rows(external_ids=as_json(external_ids), emails=as_json(emails))
    by_identity: dict[str, dict[str, dict[str, Any]]] = {"external_id": {}, "email": {}}
    for row in rows:
        lead = dict(zip(_FOUND, row, strict=True))
        for kind, value in (("external_id", lead["external_id"]), ("email", lead["email"]), *lead["aliases"]):
            if value:
                by_identity[kind][value] = lead
    return by_identity["external_id"], by_identity["email"]


# One index descent for each key, whatever the planner believes of a table that was empty a minute ago.
_FOUND: Final = ("id", "company_id", *LEAD_COLUMNS, "aliases")
_FIND_SQL: Final = f"""
WITH wanted AS MATERIALIZED (
    SELECT found.id FROM jsonb_array_elements_text(%(external_ids)s::jsonb) AS key (value)
    CROSS JOIN LATERAL (SELECT id FROM leads_lead WHERE external_id = key.value LIMIT 1) found
    UNION
    SELECT found.id FROM jsonb_array_elements_text(%(emails)s::jsonb) AS key (value)
    CROSS JOIN LATERAL (SELECT id FROM leads_lead WHERE email = key.value LIMIT 1) found
    UNION
    SELECT found.lead_id FROM jsonb_array_elements_text(%(external_ids)s::jsonb) AS key (value)
    CROSS JOIN LATERAL (
        SELECT lead_id FROM leads_leadalias WHERE kind = 'external_id' AND value = key.value LIMIT 1
    ) found
    UNION
    SELECT found.lead_id FROM jsonb_array_elements_text(%(emails)s::jsonb) AS key (value)
    CROSS JOIN LATERAL (SELECT lead_id FROM leads_leadalias WHERE kind = 'email' AND value = key.value LIMIT 1) found
)
SELECT locked.* FROM (SELECT id FROM wanted ORDER BY id) ordered
CROSS JOIN LATERAL (
    SELECT id, company_id, {_COLUMNS}, ARRAY(
        SELECT ARRAY[alias.kind, alias.value]::text[] FROM leads_leadalias alias WHERE alias.lead_id = ordered.id
    ) FROM leads_lead WHERE id = ordered.id {{lock}}
) locked
"""  # noqa: S608 - only the constant column names above
_FIND: Final = Statement.text(_FIND_SQL.format(lock="OFFSET 0"))
_FIND_AND_LOCK: Final = Statement.text(_FIND_SQL.format(lock="FOR NO KEY UPDATE"))


def list_new_origins(rows: Sequence[LeadInput]) -> dict[str, str]:
    """The origins of rows that are not known yet, by key the first spelling seen."""
    labels: dict[str, str] = {}
    for row in rows:
        if row.origin is not None:
            labels.setdefault(row.origin, row.origin_label or row.origin)
    known = set(Origin.objects.filter(key__in=list(labels)).values_list("key", flat=True)) if labels else ()
    return {key: label for key, label in labels.items() if key not in known}


def write_origins(labels: Mapping[str, str]) -> None:
    """Make origins with these labels unless they are there."""
    if not labels:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO leads_origin (tenant_id, key, label)
            SELECT %s, key, value FROM jsonb_each_text(%s::jsonb) ON CONFLICT (tenant_id, key) DO NOTHING
            """,
            [require_tenant_id(), as_json(labels)],
        )


@dataclass(frozen=True)
class NewLead:
    """A row that makes a lead of this company (its id), and what of its events is recorded with it."""

    given: LeadInput
    company_id: int | None
    events: Sequence[NewEvent] = ()


class MadeLead(NamedTuple):
    """A lead that was made; ``standing`` is what is left to be written of it."""

    lead_id: int
    standing: NewStanding | None


def insert_leads(
    rows: Sequence[NewLead], now: datetime, *, is_live: bool, leaves_standings: bool = False
) -> list[MadeLead | None]:
    """Make leads with their standing and events, in the order given; None for a row whose identity somebody else took
    meanwhile, of which nothing is written. ``leaves_standings``: the standings of leads that are history are left to the caller.
    """
    if not rows:
        return []
    given = []
    for place, (row, company_id) in enumerate((each.given, each.company_id) for each in rows):
        values = {
            name: value for name, value in vars(row).items() if name in LEAD_COLUMNS and value is not None
        }
        values["place"], values["company_id"] = place, company_id
        # As text, it is written into two statements.
        values["created_at"] = (row.created_at or now).isoformat()
        if row.origin_label is not None:
            values["origin_label"] = row.origin_label
        if row.stage or row.owner_sdr or row.owner_sales:
            values |= standing_of(row)
        given.append(values)
    made: dict[int, MadeLead] = {}
    for place, lead_id, last_at in _insert(
        with_standings=not leaves_standings,
        count=len(rows),
        rows=as_json(given),
        events=as_json([event.as_row(place) for place, row in enumerate(rows) for event in row.events]),
        now=now,
        is_live=is_live,
        act=MoveAct.CAPTURE if is_live else MoveAct.IMPORT,
    ):
        left = _new_standing(lead_id, given[place], last_at) if leaves_standings else None
        made[place] = MadeLead(lead_id, left)
    return [made.get(place) for place in range(len(rows))]


def _insert(*, with_standings: bool, count: int, **values: Any) -> list[tuple[Any, ...]]:
    """Of very many leads hardly ever is one in the way; to be ready for it costs a fifth of making them."""
    values["tenant"] = require_tenant_id()
    if count >= MANY_LEADS:
        with suppress(IntegrityError), transaction.atomic():
            return _INSERT[with_standings, False].rows(**values)
    return _INSERT[with_standings, True].rows(**values)


def _new_standing(lead_id: int, given: dict[str, Any], last_at: datetime | None) -> NewStanding:
    said = {name: given[name] for name in _STANDING_NAMES if given.get(name) is not None}
    if last_at is not None:
        said["last_at"] = last_at
    return NewStanding(lead_id, said)


def standing_of(row: LeadInput) -> dict[str, Any]:
    """What a file says of stage and owners; other doors say nothing."""
    stage = Stage(row.stage) if row.stage else None
    return {
        "stage": stage,
        "furthest": furthest_ordinal(stage) if stage else None,
        "owner_sdr": row.owner_sdr_id,
        "owner_sales": row.owner_sales_id,
        "kept_sdr": row.kept_sdr_id,
        "kept_sales": row.kept_sales_id,
    }


_STANDING_TYPED: Final = (
    "stage text, furthest smallint, owner_sdr bigint, owner_sales bigint, kept_sdr bigint, kept_sales bigint"
)

_STANDING_NAMES: Final = (
    *("created_at", "stage", "furthest"),
    *("owner_sdr", "owner_sales", "kept_sdr", "kept_sales"),
)

# What a new lead has done is known before its standing is written, so that this is written once.
_INSERT_SQL: Final = f"""
WITH given AS MATERIALIZED (
    SELECT nextval('leads_lead_id_seq') AS id, given.*
    FROM json_to_recordset(%(rows)s::json)
        AS given (place int, company_id bigint, origin_label text, {_TYPED}, {_STANDING_TYPED})
), origins AS (
    INSERT INTO leads_origin (tenant_id, key, label)
    SELECT DISTINCT ON (origin) %(tenant)s::bigint, origin, origin_label
    FROM given WHERE origin IS NOT NULL ORDER BY origin, place
    ON CONFLICT (tenant_id, key) DO NOTHING
), inserted AS (
    INSERT INTO leads_lead (id, tenant_id, recorded_at, company_id, {_COLUMNS})
    SELECT id, %(tenant)s::bigint, %(now)s::timestamptz, company_id, {_COLUMNS} FROM given
    -- Merged into another lead since the rows were matched: that one is found now.
    WHERE NOT EXISTS (
        SELECT FROM leads_leadalias alias WHERE alias.kind = 'email' AND alias.value = given.email
    ) AND NOT EXISTS (
        SELECT FROM leads_leadalias alias WHERE alias.kind = 'external_id' AND alias.value = given.external_id
    )
    ORDER BY place
    {{conflict}}
    RETURNING id
), told AS MATERIALIZED (
    SELECT nextval('leads_event_id_seq') AS event_id, given.id AS lead_id, event.*
    FROM jsonb_to_recordset(%(events)s::jsonb) AS event ({EVENT_COLUMNS}) JOIN given USING (place) JOIN inserted USING (id)
), happened AS (
    INSERT INTO leads_event (id, tenant_id, lead_id, type, occurred_at, received_at, message_id, properties)
    SELECT event_id, %(tenant)s::bigint, lead_id, type, occurred_at, %(now)s::timestamptz, message_id, properties
    FROM told ORDER BY event_id
    ON CONFLICT (tenant_id, message_id) WHERE message_id IS NOT NULL DO NOTHING
    RETURNING id
), latest AS (
    SELECT lead_id, max(occurred_at) AS last_at, max(occurred_at) FILTER (WHERE asks) AS asked_at
    FROM told JOIN happened ON happened.id = told.event_id GROUP BY lead_id
){{standing}}
SELECT given.place, given.id, latest.last_at FROM given JOIN inserted USING (id) LEFT JOIN latest ON latest.lead_id = given.id
"""  # noqa: S608 - only the constant column names above
_STANDING: Final = """, standing AS (
    INSERT INTO leads_leadstate (
        tenant_id, lead_id, created_at, stage, stage_at, stage_act, stage_reason, furthest_stage, score, grade, live_since,
        last_event_at, asked_for_contact_at, owner_sdr_id, owner_sales_id, kept_sdr_id, kept_sales_id
    )
    SELECT %(tenant)s::bigint, id, created_at, COALESCE(stage, 'new'),
           CASE WHEN stage IS NULL AND NOT %(is_live)s::boolean THEN created_at ELSE %(now)s::timestamptz END,
           %(act)s::text, '', COALESCE(furthest, 0), 0, 2, CASE WHEN %(is_live)s::boolean THEN %(now)s::timestamptz END,
           latest.last_at, CASE WHEN %(is_live)s::boolean THEN latest.asked_at END,
           owner_sdr, owner_sales, kept_sdr, kept_sales
    FROM given JOIN inserted USING (id) LEFT JOIN latest ON latest.lead_id = given.id
)"""
# By whether the standing is written with the lead, and whether a lead that is in the way is passed over.
_INSERT: Final = {
    (with_standings, is_ready): Statement.text(
        _INSERT_SQL.format(
            standing=_STANDING if with_standings else "",
            conflict="ON CONFLICT DO NOTHING" if is_ready else "",
        )
    )
    for with_standings in (True, False)
    for is_ready in (True, False)
}


def update_leads(rows: Sequence[dict[str, Any]]) -> None:
    """Write leads as merged: whole rows, since only changed ones come here."""
    if not rows:
        return
    _UPDATE.execute(rows=as_json(rows), tenant=require_tenant_id())


_UPDATE: Final = Statement.text(f"""
WITH given AS (SELECT * FROM json_to_recordset(%(rows)s::json) AS given (id bigint, origin_label text, {_TYPED})),
origins AS (
    INSERT INTO leads_origin (tenant_id, key, label)
    SELECT DISTINCT ON (origin) %(tenant)s::bigint, origin, COALESCE(origin_label, origin) FROM given WHERE origin IS NOT NULL
    ON CONFLICT (tenant_id, key) DO NOTHING
)
UPDATE leads_lead lead SET {", ".join(f"{name} = given.{name}" for name in LEAD_COLUMNS)}
FROM given WHERE lead.id = given.id AND lead.id = ANY (ARRAY(SELECT id FROM given))
""")  # noqa: S608 - only the constant column names above


def update_standing(
    rows: Sequence[LeadInput], known: Sequence[dict[str, Any] | None], now: datetime
) -> list[int]:
    """Write stage and owners that a file tells of known leads; returns the ids of those that changed.

    When a lead came to the stage is not known: the file tells that it is there now.
    """
    given = [
        standing_of(row) | {"id": lead["id"]}
        for row, lead in zip(rows, known, strict=True)
        if lead and any(value is not None for value in standing_of(row).values())
    ]
    if not given:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE_STANDING, {"rows": as_json(given), "now": now, "act": MoveAct.IMPORT})
        return [lead_id for (lead_id,) in cursor.fetchall()]


# Out of sales' hands by a file, an offer is withdrawn and an open deal is closed at a time nobody knows.
_UPDATE_STANDING: Final = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(rows)s::json) AS given (id bigint, {_STANDING_TYPED})
), offers AS (
    UPDATE leads_handover handover SET answer = 'withdrawn', answered_at = %(now)s
    FROM given WHERE handover.lead_id = given.id AND handover.answer IS NULL AND given.stage <> 'sql'
), deals AS (
    UPDATE leads_opportunity deal SET outcome = CASE given.stage WHEN 'customer' THEN 'won' ELSE 'lost' END
    FROM given WHERE deal.lead_id = given.id AND deal.outcome = 'open' AND given.stage <> 'opportunity'
)
UPDATE leads_leadstate state
SET stage = COALESCE(given.stage, state.stage),
    stage_at = CASE WHEN state.stage <> given.stage THEN %(now)s ELSE state.stage_at END,
    stage_act = CASE WHEN state.stage <> given.stage THEN %(act)s ELSE state.stage_act END,
    stage_reason = CASE WHEN state.stage <> given.stage THEN '' ELSE state.stage_reason END,
    claimed_until = CASE WHEN state.stage <> given.stage THEN NULL ELSE state.claimed_until END,
    furthest_stage = GREATEST(state.furthest_stage, given.furthest),
    owner_sdr_id = CASE WHEN given.kept_sdr IS NULL THEN COALESCE(given.owner_sdr, state.owner_sdr_id) END,
    owner_sales_id = CASE WHEN given.kept_sales IS NULL THEN COALESCE(given.owner_sales, state.owner_sales_id) END,
    kept_sdr_id = CASE WHEN given.owner_sdr IS NULL THEN COALESCE(given.kept_sdr, state.kept_sdr_id) END,
    kept_sales_id = CASE WHEN given.owner_sales IS NULL THEN COALESCE(given.kept_sales, state.kept_sales_id) END
FROM given
WHERE state.lead_id = given.id AND (
    state.stage <> given.stage
    OR state.owner_sdr_id IS DISTINCT FROM given.owner_sdr AND given.owner_sdr IS NOT NULL
    OR state.owner_sales_id IS DISTINCT FROM given.owner_sales AND given.owner_sales IS NOT NULL
    OR state.kept_sdr_id IS DISTINCT FROM given.kept_sdr AND given.kept_sdr IS NOT NULL
    OR state.kept_sales_id IS DISTINCT FROM given.kept_sales AND given.kept_sales IS NOT NULL
)
RETURNING state.lead_id
"""  # noqa: S608 - only the constant column names above


def leave_out_known_touches(touches: Sequence[tuple[int, LeadInput]]) -> list[tuple[int, LeadInput]]:
    """Those contacts of a file that are not kept yet: a file that is imported again tells of the same ones.

    Of a row without a time of its own it is the source that counts.
    """
    kept: dict[tuple[Any, ...], list[datetime]] = {}
    for lead_id, at, *source in Touch.objects.filter(
        lead_id__in=[lead_id for lead_id, _row in touches]
    ).values_list("lead_id", "at", *SOURCE):
        kept.setdefault((lead_id, *source), []).append(at)
    fresh = []
    for lead_id, row in touches:
        known = kept.get((lead_id, *(getattr(row, name) for name in SOURCE)), [])
        if row.created_at not in known and (row.created_at is not None or not known):
            fresh.append((lead_id, row))
    return fresh


def write_touches(touches: Sequence[tuple[int, LeadInput]], now: datetime) -> None:
    """Keep contacts whose source differs from the first."""
    Touch.objects.bulk_create(
        Touch(
            lead_id=lead_id,
            at=row.created_at or row.received_at or now,
            **{name: getattr(row, name) for name in SOURCE},
        )
        for lead_id, row in touches
    )


def make_live(lead_ids: Sequence[int], now: datetime) -> None:
    """A live act or row makes an imported lead one like any other."""
    if not lead_ids:
        return
    _MAKE_LIVE.execute(now=now, lead_ids=list(lead_ids))


_MAKE_LIVE: Final = Statement.text("""
UPDATE leads_leadstate SET live_since = %(now)s::timestamptz
WHERE lead_id = ANY (%(lead_ids)s::bigint[]) AND live_since IS NULL
""")


def offer_to_sales(lead_ids: Sequence[int], now: datetime) -> None:
    """Offer leads that a live file made SQLs, unless they are on offer already."""
    if not lead_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO leads_handover (tenant_id, lead_id, offered_at, override_reason, reason)
            SELECT %s, lead_id, %s, '', '' FROM unnest(%s::bigint[]) AS given (lead_id)
            ON CONFLICT (tenant_id, lead_id) WHERE answer IS NULL DO NOTHING
            """,
            [require_tenant_id(), now, list(lead_ids)],
        )


def write_tags(rows: "Iterable[Intake]") -> None:
    """Add tags; intake never takes one away."""
    pairs = [(row.lead_id, tag) for row in rows for tag in row.given.tags]
    if not pairs:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO leads_leadtag (tenant_id, lead_id, tag)
            SELECT DISTINCT %s, given.lead_id, given.tag FROM unnest(%s::bigint[], %s::text[]) AS given (lead_id, tag)
            ON CONFLICT (tenant_id, lead_id, tag) DO NOTHING
            RETURNING lead_id
            """,
            [require_tenant_id(), [lead_id for lead_id, _tag in pairs], [tag for _lead_id, tag in pairs]],
        )
        touch_changed(rows, cursor)


def touch_changed(rows: "Iterable[Intake]", cursor: Any) -> None:
    """Note which rows changed their lead, from a statement that returned the ids of changed leads."""
    changed = {lead_id for (lead_id,) in cursor.fetchall()}
    for row in rows:
        if row.lead_id in changed:
            row.touch()


_VALUE_COLUMN: Final = {
    CustomType.TEXT: "text_value",
    CustomType.INTEGER: "integer_value",
    CustomType.DECIMAL: "decimal_value",
    CustomType.DATE: "date_value",
}


def write_custom_values(rows: "Iterable[Intake]") -> None:
    """Write custom values that differ from what is kept."""
    with_values = [row for row in rows if row.given.custom]
    if not with_values:
        return
    columns = {
        name: (field_id, _VALUE_COLUMN[CustomType(kind)])
        for field_id, name, kind in CustomField.objects.values_list("id", "name", "type")
    }
    fresh: list[dict[str, Any]] = []
    given: list[dict[str, Any]] = []
    for row in with_values:
        values = fresh if row.outcome == "new" else given
        for name, value in row.given.custom.items():
            field_id, column = columns[name]
            values.append({"lead_id": row.lead_id, "field_id": field_id, column: value})
    if fresh:
        _INSERT_VALUES.execute(tenant=require_tenant_id(), rows=as_json(fresh))
    if given:
        changed = {
            lead_id for (lead_id,) in _UPSERT_VALUES.rows(tenant=require_tenant_id(), rows=as_json(given))
        }
        for row in with_values:
            if row.lead_id in changed:
                row.touch()


_GIVEN_VALUES: Final = """
json_to_recordset(%(rows)s::json) AS given (
    lead_id bigint, field_id bigint, text_value text, integer_value bigint, decimal_value bigint, date_value date
)
"""
# Of leads made in this transaction nothing is kept, and nobody else can have written it.
_INSERT_VALUES: Final = Statement.text(f"""
INSERT INTO leads_customvalue (tenant_id, lead_id, field_id, text_value, integer_value, decimal_value, date_value)
SELECT %(tenant)s::bigint, given.* FROM {_GIVEN_VALUES}
""")  # noqa: S608 - the constant above
# What is kept already is left out first: a conflict would lock its row, and so write it, even to change nothing.
_UPSERT_VALUES: Final = Statement.text(f"""
INSERT INTO leads_customvalue AS kept
    (tenant_id, lead_id, field_id, text_value, integer_value, decimal_value, date_value)
SELECT %(tenant)s::bigint, given.* FROM {_GIVEN_VALUES}
LEFT JOIN leads_customvalue known ON known.lead_id = given.lead_id AND known.field_id = given.field_id
WHERE known.id IS NULL
    OR (known.text_value, known.integer_value, known.decimal_value, known.date_value)
        IS DISTINCT FROM (given.text_value, given.integer_value, given.decimal_value, given.date_value)
ON CONFLICT (tenant_id, lead_id, field_id) DO UPDATE
SET text_value = EXCLUDED.text_value, integer_value = EXCLUDED.integer_value,
    decimal_value = EXCLUDED.decimal_value, date_value = EXCLUDED.date_value
RETURNING kept.lead_id
""")  # noqa: S608 - the constant above


def write_consents(rows: "Iterable[Intake]", now: datetime) -> None:
    """Keep each basis given, unless the newest one for its purpose says the same."""
    with_consent = [row for row in rows if row.given.consent]
    if not with_consent:
        return
    newest: dict[tuple[int, str], Consent] = {}
    for consent in Consent.objects.filter(lead_id__in=[row.lead_id for row in with_consent]).order_by(
        "given_at", "id"
    ):
        newest[consent.lead_id, consent.purpose] = consent
    fresh = []
    for row in with_consent:
        for given in row.given.consent:
            assert row.lead_id is not None
            known = newest.get((row.lead_id, given.purpose))
            if (
                known
                and known.withdrawn_at is None
                and (known.basis, known.text) == (given.basis, given.text)
            ):
                continue
            consent = Consent(
                lead_id=row.lead_id,
                purpose=given.purpose,
                basis=given.basis,
                text=given.text,
                given_at=now,
                source=row.given.source,
                proof=dict(row.given.proof),
            )
            newest[row.lead_id, given.purpose] = consent
            fresh.append(consent)
            row.touch()
    Consent.objects.bulk_create(fresh)
