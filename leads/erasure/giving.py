"""What is stored of a person, as they may ask for it: every row of every table that tells of them."""

from datetime import datetime
from typing import Any, Final

from leads.erasure.holdings import Holding, list_holdings
from leads.erasure.people import read_person, rows_of
from leads.selectors import get_lead
from tenancy.audit import record
from tenancy.models import Membership
from tenancy.rights import require

_NOT_THEIRS: Final = frozenset({"tenant", "api_key", "token", "body_hash", "idempotency_key"})


def give_person_data(*, lead_id: int, by: Membership, now: datetime) -> dict[str, Any]:
    """All that is stored of the person a lead is about, by table; that it was given out stands in the audit log.

    Values are as the database has them. Raises LeadNotFound, NotAllowed.
    """
    require(by, "person.erase")
    lead = get_lead(lead_id=lead_id)
    person = read_person(lead)
    tables = {
        holding.model_class._meta.db_table: rows
        for holding in list_holdings()
        if holding.is_given and (holding.lead or holding.told) and (rows := _given(holding, person))
    }
    record(act="person.given_out", subject=f"#{lead_id}", by=by, now=now)
    return {"lead": lead_id, "at": now, "tables": tables}


def _given(holding: Holding, person: Any) -> list[dict[str, Any]]:
    names = [
        field.attname
        for field in holding.model_class._meta.local_concrete_fields
        if field.name not in _NOT_THEIRS
    ]
    return list(rows_of(holding, person).order_by("pk").values(*names))
