"""Conditions of sequences, asked of many leads at once."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, DateTimeField, F

from leads.conditions.compile import compile_condition, record_condition
from leads.conditions.language import Condition, content_hash
from leads.conditions.logic import InList
from leads.conditions.statements import Param, Statement, cached_statement
from leads.models import Lead, RuleKind, RuleVersion
from leads.versions import parse_document
from nurturing.sequences import SequenceRules

_LEAD_IDS: Final = Param("lead_ids", ArrayField(BigIntegerField()))
_NOW: Final = Param("now", DateTimeField())

# True, false or None for unknown, with the record of each leaf that a decision keeps.
Answer = tuple[bool | None, Any]


def ask_leads(condition: Condition, *, lead_ids: Sequence[int], now: datetime) -> dict[int, Answer]:
    """What a condition says of each of these leads, in one prepared statement."""
    if not lead_ids:
        return {}
    statement = cached_statement(key=f"sequence:{content_hash(condition)}", build=lambda: _build(condition))
    rows = statement.rows(lead_ids=sorted(set(lead_ids)), now=now)
    return {lead_id: (verdict, json.loads(record)) for lead_id, verdict, record in rows}


def _build(condition: Condition) -> Statement:
    leads = Lead.objects.filter(InList(F("pk"), _LEAD_IDS)).order_by()
    asked = leads.annotate(
        verdict=compile_condition(condition, now=_NOW), record=record_condition(condition, now=_NOW)
    )
    return Statement.of(asked.values_list("pk", "verdict", "record"))


def rules_of_versions(version_ids: Iterable[int]) -> dict[int, SequenceRules]:
    """The sequences of these versions, published or not any more."""
    rows = RuleVersion.objects.filter(pk__in=set(version_ids), kind=RuleKind.SEQUENCE)
    return {
        version_id: parse_document(kind=RuleKind.SEQUENCE, document=document)
        for version_id, document in rows.values_list("id", "document")
    }
