"""The first standing of a lead that is told as history: written together with its first score and grade, or without them.

A standing that is written and then rated is written twice, into each of its indexes, and its reference to the lead is checked
twice. So what makes many leads hands their standings on to the pipeline.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from leads.conditions.statements import Statement
from leads.models import Grade
from tenancy.scope import require_tenant_id

FIRST_SCORE: Final = 0
FIRST_GRADE: Final = Grade.D.value


class NewStanding(NamedTuple):
    """The standing of a lead made in this transaction, not written yet: what is known, by the columns of ``STANDING_TYPED``."""

    lead_id: int
    values: dict[str, Any]


def new_standings_json(standings: Sequence[NewStanding]) -> str:
    """The rows for json_to_recordset; instants in ISO 8601."""
    return json.dumps(
        [each.values | {"lead_id": each.lead_id} for each in standings], default=datetime.isoformat
    )


STANDING_TYPED: Final = (
    "lead_id bigint, created_at timestamptz, last_at timestamptz, stage text, furthest smallint,"
    " owner_sdr bigint, owner_sales bigint, kept_sdr bigint, kept_sales bigint"
)
# With places for parameters, and for what the first rating says: FIRST_SCORE, FIRST_GRADE and null before there is one.
INSERT_STANDINGS: Final = """
INSERT INTO leads_leadstate (
    tenant_id, lead_id, created_at, stage, stage_at, stage_act, stage_reason, furthest_stage, score, grade, last_positive_at,
    last_event_at, owner_sdr_id, owner_sales_id, kept_sdr_id, kept_sales_id
)
SELECT {tenant}, newborn.lead_id, created_at, COALESCE(stage, 'new'), CASE WHEN stage IS NULL THEN created_at ELSE {now} END,
    'import', '', COALESCE(furthest, 0), {score}, {grade}, {positive_at}, last_at, owner_sdr, owner_sales, kept_sdr, kept_sales
FROM {newborn} ORDER BY newborn.lead_id
"""


def write_standings(standings: Sequence[NewStanding], *, now: datetime) -> None:
    """Write standings as they are before the first rating."""
    if standings:
        _WRITE.execute(tenant=require_tenant_id(), now=now, newborn=new_standings_json(standings))


_WRITE: Final = Statement.text(
    INSERT_STANDINGS.format(
        tenant="%(tenant)s::bigint",
        now="%(now)s::timestamptz",
        score=FIRST_SCORE,
        grade=FIRST_GRADE,
        positive_at="NULL::timestamptz",
        newborn=f"json_to_recordset(%(newborn)s::json) AS newborn ({STANDING_TYPED})",
    )
)
