"""Companies: listed, looked at with what their leads come to, and edited by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.due import DueKind, register_due_kind, schedule
from leads.capture.fields import read_submission
from leads.capture.rules import open_rules
from leads.capture.values import fold_text
from leads.conditions.language import Condition
from leads.conditions.lead_facts import MINOR_UNITS
from leads.listing import MAX_SEARCH_LENGTH, ListTooSlow, in_time
from leads.matching import LeadFilters
from leads.models import FORWARD_STAGES, Company, CompanyFormerName, Lead, Opportunity, Stage
from leads.pipeline import Reason, ReasonCode, run_pipeline
from leads.search import refresh_search_of_companies
from leads.selectors import instant_json, is_lead_id
from tenancy.audit import record, register_acts
from tenancy.errors import Conflict, FieldProblem, Invalid, NotFound
from tenancy.keyset import Page, page_by_key
from tenancy.models import Membership, Tenant
from tenancy.rights import require

PAGE_SIZE: Final = 50
ORDERS: Final = ("name", "-name", "-created_at", "-size")
CHANGED_KIND: Final = "company.changed"
# So many leads are processed at once after their company was changed; of a larger one by a worker.
AT_ONCE: Final = 200
# By the name that people and the API use: the field of a lead by which it is read, and the column.
FIELDS: Final = {
    "name": ("company", "name"),
    "domain": ("company_domain", "domain"),
    "cnpj": ("cnpj", "cnpj"),
    "size": ("company_size", "size"),
    "revenue": ("company_revenue", "revenue_minor"),
    "industry": ("industry", "industry"),
}
_NEVER_SIZE: Final = -1


class CompanyNotFound(NotFound):
    """There is no such company."""


class CompanyTaken(Conflict):
    """Another company has this domain or CNPJ."""


class CompaniesTooSlow(ListTooSlow):
    """The database gave up on a search."""


@dataclass(frozen=True, kw_only=True)
class CompanyQuery:
    """Which companies: whose name or domain holds every word of ``q``, with a lead that meets a ``condition``, or these ``ids``.

    ``order`` is one of ORDERS; any other is by name.
    """

    q: str = ""
    condition: Condition | None = None
    ids: tuple[int, ...] | None = None
    order: str = ""

    @property
    def is_fast(self) -> bool:
        """Whether the index of the order says it, so that nothing has to be looked for."""
        return not self.q and self.condition is None and self.order in {"", "name", "-name", "-created_at"}


@dataclass(frozen=True)
class CompanyNumbers:
    """What the leads of a company come to."""

    leads: int
    open_opportunities: int
    customers: int


@dataclass(frozen=True)
class Deals:
    """Opportunities of one outcome in one currency: how many, and what they are worth in minor units."""

    outcome: str
    currency: str
    count: int
    amount_minor: int


def list_companies(
    *, query: CompanyQuery, now: datetime, cursor: str = "", size: int = PAGE_SIZE
) -> Page[Company]:
    """A page of companies. Raises CursorRefused, and CompaniesTooSlow where the database gives up."""
    rows, keys = _in_order(matching_companies(query=query, now=now), query.order)
    try:
        with in_time(is_fast=query.is_fast):
            return page_by_key(rows, keys=keys, cursor=cursor, size=size)
    except ListTooSlow as error:
        raise CompaniesTooSlow(_("Type more of the company's name and try again.")) from error


def matching_companies(*, query: CompanyQuery, now: datetime) -> QuerySet[Company]:
    """Those that a query means, in no order."""
    rows: QuerySet[Company] = Company.objects.all()
    for word in fold_text(query.q[:MAX_SEARCH_LENGTH].replace("\x00", "")).split()[:8]:
        rows = rows.filter(Q(name_key__contains=word) | Q(domain__contains=word) | Q(cnpj__startswith=word))
    if query.ids is not None:
        rows = rows.filter(pk__in=query.ids)
    if query.condition is not None:
        leads = LeadFilters(condition=query.condition).narrow(root=Lead, now=now)
        rows = rows.filter(pk__in=leads.values("company"))
    return rows


def _in_order(rows: QuerySet[Company], order: str) -> tuple[QuerySet[Any, Any], tuple[str, ...]]:
    if order == "-created_at":
        return rows, ("-pk",)
    if order == "-size":
        return rows.annotate(place=Coalesce("size", Value(_NEVER_SIZE))), ("-place", "-pk")
    sign = "-" if order == "-name" else ""
    # As the index "company_in_order" has it.
    return rows.annotate(place=Coalesce("name_key", "domain", Value(""))), (f"{sign}place", f"{sign}pk")


def count_for(*, company_ids: Iterable[int]) -> dict[int, CompanyNumbers]:
    """What the leads of these companies come to, by company; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_NUMBERS, [list(company_ids)])
        return {company_id: CompanyNumbers(*numbers) for company_id, *numbers in cursor.fetchall()}


_NUMBERS: Final = """
SELECT wanted.id,
    (SELECT count(*) FROM leads_lead lead WHERE lead.company_id = wanted.id),
    (SELECT count(*) FROM leads_lead lead JOIN leads_opportunity deal ON deal.lead_id = lead.id
     WHERE lead.company_id = wanted.id AND deal.outcome = 'open'),
    (SELECT count(*) FROM leads_lead lead JOIN leads_leadstate state ON state.lead_id = lead.id
     WHERE lead.company_id = wanted.id AND state.stage = 'customer')
FROM unnest(%s::bigint[]) AS wanted (id)
"""


def get_company(*, company_id: int, is_locking: bool = False) -> Company:
    """A company, locked if it is to be changed. Raises CompanyNotFound."""
    rows = Company.objects.select_for_update(no_key=True) if is_locking else Company.objects
    company: Company | None = rows.filter(pk=company_id).first() if is_lead_id(company_id) else None
    if company is None:
        raise CompanyNotFound(_("There is no such company."))
    return company


def count_stages(*, company_id: int) -> list[tuple[Stage, int]]:
    """How many leads of a company are in each stage that has some, in the order of stages."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state.stage, count(*) FROM leads_lead lead JOIN leads_leadstate state ON state.lead_id = lead.id"
            " WHERE lead.company_id = %s GROUP BY state.stage",
            [company_id],
        )
        counts = dict(cursor.fetchall())
    order = [*FORWARD_STAGES, Stage.NURTURE, Stage.DISQUALIFIED]
    return [(stage, counts[stage.value]) for stage in order if stage.value in counts]


def list_company_leads(*, company_id: int, cursor: str = "") -> Page[Lead]:
    """A page of a company's leads, the newest first. Raises CursorRefused."""
    rows = Lead.objects.filter(company=company_id)
    return page_by_key(rows, keys=("-pk",), cursor=cursor, size=PAGE_SIZE)


def list_company_deals(*, company_id: int, limit: int) -> list[Opportunity]:
    """The newest opportunities of a company's leads."""
    rows = Opportunity.objects.filter(lead__company=company_id).select_related("lead", "sales_rep")
    return list(rows.order_by("-pk")[:limit])


def sum_deals(*, company_id: int) -> list[Deals]:
    """The opportunities of a company's leads, summed by outcome and currency."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT deal.outcome, COALESCE(deal.currency, ''), count(*), COALESCE(sum(deal.amount_minor), 0)::bigint"
            " FROM leads_lead lead JOIN leads_opportunity deal ON deal.lead_id = lead.id"
            " WHERE lead.company_id = %s GROUP BY 1, 2 ORDER BY 1, 2",
            [company_id],
        )
        return [Deals(*row) for row in cursor.fetchall()]


def edit_company(
    *, company_id: int, values: Mapping[str, Any], tenant: Tenant, by: Membership, now: datetime
) -> bool:
    """Write fields (the names of FIELDS); a blank takes one away. Returns whether anything changed.

    A name given here is kept whatever files call the company, and rows that use its former one still find it. Raises
    CompanyNotFound, NotAllowed, Invalid naming each field that cannot be read, CompanyTaken.
    """
    require(by, "company.edit")
    company = get_company(company_id=company_id, is_locking=True)
    changes = _read(values, tenant, now)
    before = {column: getattr(company, column) for column in changes}
    changes = {column: value for column, value in changes.items() if value != before[column]}
    if not changes:
        return False
    for column, value in changes.items():
        setattr(company, column, value)
    if not (company.name or company.domain or company.cnpj):
        message = _("A company needs a name, a website or a CNPJ.")
        raise Invalid(message, errors=[FieldProblem("name", "required", message)])
    _expect_free(company, changes)
    if "name_key" in changes:
        _keep_former_name(company, before["name_key"])
    company.save()
    if {"name_key", "domain"} & set(changes):
        refresh_search_of_companies(company_ids=[company.pk])
    detail = {"before": {name: before[name] for name in changes if name != "name_key"}}
    detail["after"] = {name: value for name, value in changes.items() if name != "name_key"}
    fields = [str(_LABELS[name]) for name in detail["after"]]
    record(act="company.changed", subject=str(company), by=by, now=now, detail=detail | {"fields": fields})
    _process_leads(company.pk, by, now)
    return True


_LABELS: Final = {
    "name": gettext_lazy("name"),
    "domain": gettext_lazy("website"),
    "cnpj": gettext_lazy("CNPJ"),
    "size": gettext_lazy("number of people"),
    "revenue_minor": gettext_lazy("revenue"),
    "industry": gettext_lazy("industry"),
}


def _read(values: Mapping[str, Any], tenant: Tenant, now: datetime) -> dict[str, Any]:
    """Columns with their new values, read as intake reads them."""
    unknown = [name for name in values if name not in FIELDS]
    if unknown:
        message = _("There is no such field.")
        raise Invalid(message, errors=[FieldProblem(name, "unknown", message) for name in unknown])
    blank = [name for name, value in values.items() if value is None or not str(value).strip()]
    document = {FIELDS[name][0]: value for name, value in values.items() if name not in blank}
    given, problems = read_submission(document=document, rules=open_rules(tenant=tenant), now=now)
    if problems:
        names = {field: name for name, (field, _column) in FIELDS.items()}
        raise Invalid(
            _("Some fields cannot be kept."),
            errors=[
                FieldProblem(names.get(each.field, each.field), each.code, each.message) for each in problems
            ],
        )
    columns: dict[str, Any] = {}
    for name in values:
        field, column = FIELDS[name]
        read = "company_revenue_minor" if name == "revenue" else field
        columns[column] = None if name in blank else getattr(given, read)
        if name == "name":
            columns["name_key"] = None if name in blank else given.company_key
    return columns


def _expect_free(company: Company, changes: Mapping[str, Any]) -> None:
    for column in ("domain", "cnpj"):
        if changes.get(column) is None:
            continue
        other = Company.objects.filter(Q((column, changes[column]))).first()
        if other is not None and other.pk != company.pk:
            message = _("%(company)s has it already.") % {"company": other}
            raise CompanyTaken(message, errors=[FieldProblem(column, "other_company", message)])


def _keep_former_name(company: Company, former: str | None) -> None:
    company.is_named_by_hand = company.name is not None
    if former is not None:
        CompanyFormerName.objects.get_or_create(company=company, name_key=former)
    CompanyFormerName.objects.filter(company=company, name_key=company.name_key).delete()


def _process_leads(company_id: int, by: Membership, now: datetime) -> None:
    """What rules say of a company's leads may be another now."""
    lead_ids = list(
        Lead.objects.filter(company=company_id).order_by("pk").values_list("pk", flat=True)[: AT_ONCE + 1]
    )
    if len(lead_ids) > AT_ONCE:
        schedule(kind=CHANGED_KIND, due={company_id: now})
    else:
        run_pipeline(lead_ids=lead_ids, reason=Reason(ReasonCode.ACT, actor_id=by.pk), now=now)


def _process_due(company_ids: Sequence[int], now: datetime) -> None:
    for company_id in company_ids:
        lead_ids = list(Lead.objects.filter(company=company_id).order_by("pk").values_list("pk", flat=True))
        run_pipeline(lead_ids=lead_ids, reason=Reason(ReasonCode.ACT), now=now)


def company_json(company: Company, numbers: CompanyNumbers) -> dict[str, Any]:
    """A company as the API writes it."""
    revenue = company.revenue_minor
    return {
        "id": company.pk,
        "name": company.name,
        "domain": company.domain,
        "cnpj": company.cnpj,
        "size": company.size,
        "revenue": None if revenue is None else revenue / MINOR_UNITS,
        "industry": company.industry,
        "created_at": instant_json(company.created_at),
        "leads": numbers.leads,
        "open_opportunities": numbers.open_opportunities,
        "customers": numbers.customers,
    }


def register_companies() -> None:
    """Make known what happens after a large company was changed; called once, when the app is ready."""
    register_due_kind(DueKind(CHANGED_KIND, act=_process_due, batch_size=1))
    register_acts({"company.changed": gettext_lazy("Changed the company %(subject)s: %(fields)s")})
