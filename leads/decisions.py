"""Writing decisions: why a result is what it is, for any number of leads in one statement."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from leads.conditions.statements import Statement
from leads.models import DecisionKind
from tenancy.scope import require_tenant_id


@dataclass(frozen=True, slots=True)
class NewDecision:
    """One decision as it is to be kept; the columns of ``Decision``."""

    lead_id: int
    kind: DecisionKind
    topic: str
    version_id: int | None
    result: str
    detail: Mapping[str, Any]


def write_decisions(*, decisions: Iterable[NewDecision], now: datetime) -> None:
    """Keep decisions made at ``now``, in their order."""
    rows = list(decisions)
    if not rows:
        return
    _INSERT.execute(
        tenant=require_tenant_id(),
        now=now,
        leads=[row.lead_id for row in rows],
        kinds=[row.kind.value for row in rows],
        topics=[str(row.topic) for row in rows],
        versions=[row.version_id for row in rows],
        results=[str(row.result) for row in rows],
        details=[json.dumps(row.detail) for row in rows],
    )


_INSERT: Final = Statement.text(
    """
    INSERT INTO leads_decision (tenant_id, lead_id, kind, topic, at, version_id, result, detail)
    SELECT %(tenant)s::bigint, made.lead_id, made.kind, made.topic, %(now)s::timestamptz, made.version_id, made.result,
        made.detail::jsonb
    FROM unnest(
        %(leads)s::bigint[], %(kinds)s::text[], %(topics)s::text[], %(versions)s::bigint[], %(results)s::text[],
        %(details)s::text[]
    ) WITH ORDINALITY AS made (lead_id, kind, topic, version_id, result, detail, place)
    ORDER BY made.place
    """
)
