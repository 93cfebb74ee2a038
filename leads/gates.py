"""Gates: the published criteria that move a lead to another stage.

The document (kind ``gates``)::

    {"gates": [{"id": "mql", "label": {"en": "MQL"}, "from": ["new", "nurture"], "to": "mql", "when": {…}}]}

The first gate that holds moves the lead. Which stages a gate may join is the table of moves' to say.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from leads.conditions.language import Condition, content_hash
from leads.documents import Place, expect_distinct, open_document
from leads.labels import Label
from leads.lifecycle import MOVES
from leads.models import MoveAct, RuleKind, Stage
from leads.versions import DocumentKind, publish_default, register_document_kind
from tenancy.models import Membership, Tenant

MAX_GATES: Final = 10
# Who owns the lead is decided after the gates, by what they decided.
FOLLOWS_FROM_GATES: Final = frozenset(
    {"stage_at", "owner_sdr", "owner_sales", "asked_for_contact_at", "open_clock"}
)


@dataclass(frozen=True)
class Gate:
    """One way from some stages to another."""

    id: str
    label: Label
    leaves: tuple[Stage, ...]
    to: Stage
    when: Condition


@dataclass(frozen=True)
class Gates:
    """A parsed document."""

    gates: tuple[Gate, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Equal for gates that make the same SQL, of whichever tenant."""
        parts = [(gate.id, gate.leaves, gate.to, content_hash(gate.when)) for gate in self.gates]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def out_of(self, stage: Stage | str) -> list[Gate]:
        """The gates that a lead in this stage stands before."""
        return [gate for gate in self.gates if stage in gate.leaves]

    def get(self, gate_id: str) -> Gate | None:
        """The gate with this id, or None."""
        return next((gate for gate in self.gates if gate.id == gate_id), None)


def parse_gates(document: Any, *, allow_retired: bool = True) -> Gates:
    """The typed gates of a document. Raises InvalidDocument naming every fault by its JSON path."""
    whole = open_document(document, allow_retired=allow_retired)
    gates: list[Gate] = []
    if whole.expect_object("gates"):
        places = whole.at("gates").items(at_least=0, at_most=MAX_GATES)
        gates = [gate for place in places if (gate := _read_gate(place)) is not None]
        expect_distinct([(place.at("id"), str(place.at("id").value)) for place in places])
    whole.raise_faults(_("The gates have faults."))
    return Gates(tuple(gates))


def _read_gate(place: Place) -> Gate | None:
    if not place.expect_object("id", "label", "from", "to", "when"):
        return None
    allowed, target = MOVES[MoveAct.GATE]
    assert target is not None
    choices = [stage.value for stage in Stage if stage in allowed]
    leaves = [Stage(stage.one_of(choices)) for stage in place.at("from").items(at_most=len(choices))]
    id_, label = place.at("id").key(), place.at("label").label()
    to = Stage(place.at("to").one_of([target.value]))
    when = place.at("when").condition(forbidden=FOLLOWS_FROM_GATES)
    return Gate(id_, label, tuple(dict.fromkeys(leaves)), to, when) if when else None


def default_gates() -> dict[str, Any]:
    """The gate to MQL of the default pack (CONTRACT.md §2)."""
    holds = {
        "all": [
            {"fact": "score", "op": "gte", "value": 50},
            {"fact": "grade", "op": "gte", "value": "C"},
        ]
    }
    gate = {
        "id": "mql",
        "label": {"en": "MQL", "pt-br": "MQL"},
        "from": [Stage.NEW.value, Stage.NURTURE.value],
        "to": Stage.MARKETING_QUALIFIED.value,
        "when": holds,
    }
    return {"gates": [gate]}


def publish_default_gates(tenant: Tenant, admin: Membership | None, now: datetime) -> None:
    """A new tenant's gate to MQL."""
    publish_default(kind=RuleKind.GATES, document=default_gates(), by=admin, now=now)


register_document_kind(
    DocumentKind(RuleKind.GATES, parse=parse_gates, parse_draft=partial(parse_gates, allow_retired=False))
)
