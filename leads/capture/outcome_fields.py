"""What one row of a file says of a deal. Nothing here asks the database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext as _

from leads.capture.columns import CUSTOM, MILLION, FieldType
from leads.capture.fields import MAX_OWNER, read_row
from leads.capture.inputs import IntakeRules, LeadInput
from leads.capture.lead_finding import WHOSE_FIELDS, whose_values
from leads.capture.scalars import Unfit, read_instant, read_millionths, read_text
from leads.models import OpportunityOutcome
from leads.money import InvalidAmount, read_amount, read_currency
from tenancy.errors import FieldProblem

OUTCOME_FIELDS: Final[Mapping[str, FieldType]] = {
    **WHOSE_FIELDS,
    "deal_id": "text",
    "outcome": "text",
    "opened_at": "date",
    "closed_at": "date",
    "won_at": "date",
    "lost_at": "date",
    "expected_close_on": "date",
    "sdr": "text",
    "sales_rep": "text",
    "amount": "decimal",
    "currency": "text",
    "reason": "text",
}
MAX_DEAL_ID: Final = 200
MAX_REASON: Final = 64


@dataclass(frozen=True)
class OutcomeInput:
    """How one deal of one lead stands or ended. None says nothing: a blank never erases.

    ``lead`` says whose it is. ``closed_at`` is won_at or lost_at, else closed_at, in UTC; of an open deal that is the day on
    which it is expected to close. ``amount_minor`` is in minor units of ``currency``. ``custom`` has values by name without
    ``custom.``, as ``LeadInput`` has them.
    """

    outcome: OpportunityOutcome
    lead: LeadInput
    deal_id: str | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    sdr: str | None = None
    sales_rep: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    reason: str | None = None
    expected_close_on: date | None = None
    custom: Mapping[str, str | int | date] = field(default_factory=dict)

    @property
    def email(self) -> str | None:
        """Whose it is, for those who look at a trial."""
        return self.lead.email or self.lead.external_id or self.lead.phone


def read_outcome(
    *, values: Mapping[str, str], rules: IntakeRules, currency: str, now: datetime
) -> tuple[OutcomeInput, Sequence[FieldProblem]]:
    """Read one deal from the fields of a row, and one problem for each field that can't be read.

    ``currency`` is the tenant's, in which amounts are unless the row has another. Without ``outcome`` the deal is won, unless
    the row has the time of a loss and none of a win.
    """
    of_lead = whose_values(values)
    of_lead |= {name: text for name, text in values.items() if name.startswith(CUSTOM)}
    lead, problems = read_row(values=of_lead, rules=rules, now=now)
    found: dict[str, Any] = {}
    problems = list(problems)
    for name, reader in _READERS.items():
        try:
            found[name] = reader(name, values.get(name, ""), rules)
        except Unfit as unfit:
            problems.append(FieldProblem(name, unfit.code, unfit.message))
    if not problems and not (lead.external_id or lead.email or lead.phone):
        message = _("Give the external id, the e-mail or the phone of a lead.")
        problems.append(FieldProblem("external_id", "required", message))
    _read_money(found, values, rules, currency, problems)
    won_at, lost_at, ended_at = (found.pop(name, None) for name in ("won_at", "lost_at", "closed_at"))
    outcome = found.pop("outcome", None) or (
        OpportunityOutcome.LOST if lost_at and not won_at else OpportunityOutcome.WON
    )
    closed_at = (won_at if outcome is OpportunityOutcome.WON else lost_at) or ended_at
    if outcome is OpportunityOutcome.OPEN:
        if ended_at is not None and found.get("expected_close_on") is None:
            found["expected_close_on"] = ended_at.astimezone(rules.zone).date()
        closed_at = None
    of_deal = {"closed_at": closed_at, "custom": lead.custom, **found}
    return OutcomeInput(outcome, replace(lead, custom={}), **of_deal), problems


def _read_money(
    found: dict[str, Any],
    values: Mapping[str, str],
    rules: IntakeRules,
    currency: str,
    problems: list[FieldProblem],
) -> None:
    try:
        code = read_currency(values["currency"]) if "currency" in values else None
        millionths = read_millionths("amount", values.get("amount", ""), rules)
        if millionths is not None:
            code = code or currency
            found["amount_minor"] = read_amount(Decimal(millionths) / MILLION, currency=code)
        found["currency"] = code
    except InvalidAmount as invalid:
        problems.extend(invalid.errors)
    except Unfit as unfit:
        problems.append(FieldProblem("amount", unfit.code, unfit.message))


def _read_outcome(name: str, text: str, rules: IntakeRules) -> OpportunityOutcome | None:
    outcome = read_text(text, MAX_REASON).lower()
    if outcome and outcome not in OpportunityOutcome.values:
        raise Unfit(
            "invalid",
            _("“%s” is no outcome. Give open, won or lost, or say by --value which is meant.") % text,
        )
    return OpportunityOutcome(outcome) if outcome else None


def _limited(limit: int) -> "_Reader":
    def read(name: str, text: str, rules: IntakeRules) -> str | None:
        return read_text(text, limit) or None

    return read


def _read_time(name: str, text: str, rules: IntakeRules) -> datetime | None:
    return read_instant(text, rules.date_formats.get(name), rules.zone)


def _read_day(name: str, text: str, rules: IntakeRules) -> date | None:
    at = _read_time(name, text, rules)
    return at.astimezone(rules.zone).date() if at else None


_Reader = Callable[[str, str, IntakeRules], Any]
_READERS: Final[Mapping[str, _Reader]] = {
    "deal_id": _limited(MAX_DEAL_ID),
    "outcome": _read_outcome,
    "opened_at": _read_time,
    "closed_at": _read_time,
    "won_at": _read_time,
    "lost_at": _read_time,
    "expected_close_on": _read_day,
    "sdr": _limited(MAX_OWNER),
    "sales_rep": _limited(MAX_OWNER),
    "reason": _limited(MAX_REASON),
}
