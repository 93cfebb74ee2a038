"""Writing decisions: why a result is what it is, for any number of leads in one statement."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from leads.conditions.statements import Statement
from leads.models import DecisionKind
from tenancy.scope import require_tenant_id


class NewDecision(NamedTuple):
    """One decision as it is to be kept: the columns of ``Decision`` in the order in which the statement reads them."""

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
    _INSERT.execute(tenant=require_tenant_id(), now=now, rows=json.dumps(rows))


_INSERT: Final = Statement.text("""
INSERT INTO leads_decision (tenant_id, lead_id, kind, topic, at, version_id, result, detail)
SELECT %(tenant)s::bigint, (made ->> 0)::bigint, made ->> 1, made ->> 2, %(now)s::timestamptz, (made ->> 3)::bigint, made ->> 4,
    made -> 5
FROM jsonb_array_elements(%(rows)s::jsonb) AS made
""")
