"""The list of leads under row security: every order and every fast filter, the first page and the thousandth."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from benchmarks.place import LARGE, SIZES
from benchmarks.report import Finding, limited, worst
from benchmarks.timing import server_milliseconds, sql_milliseconds

LIMIT_MS: Final = 10.0
PAGE_LIMIT_MS: Final = 50.0
MOST_QUERIES: Final = 10
PAGES: Final = 1000
PAGE_SIZE: Final = 50
ORDERS: Final = (
    "-created_at",
    "created_at",
    "-score",
    "score",
    "-grade",
    "-stage_at",
    "stage_at",
    "name",
    "-name",
)
# Each fact that an index serves, often and seldom true.
FILTERS: Final[dict[str, dict[str, Any]]] = {
    "stage mql": {"stage": "mql"},
    "stage customer": {"stage": "customer"},
    "owner": {"owner": "SDR"},
    "nobody's": {"owner": "none"},
    "origin social": {"origin": "social"},
    "origin of 500": {"origin": "fair_2019"},
    "score from 60": {"score_min": "60"},
    "grade from A": {"grade_min": "A"},
    "tag of 1 %": {"filter": {"fact": "tags", "op": "has_any", "value": ["feira"]}},
    "tag of 300": {"filter": {"fact": "tags", "op": "has_any", "value": ["vip"]}},
    "custom field": {"filter": {"fact": "custom.plants", "op": "gte", "value": 35}},
    "created last week": {"filter": {"fact": "created_at", "op": "in_last_days", "value": 7}},
    "SDR": {"filter": {"fact": "owner_sdr", "op": "eq", "value": "SDR"}},
}


def measure_lists(tenants: dict[str, int]) -> list[Finding]:
    """Milliseconds of SQL a page against the promise; the slowest of each kind, and the page as the browser gets it."""
    from tenancy.scope import tenant_scope

    with tenant_scope(tenants[LARGE]):
        findings = [
            *_slowest("list, any order, {}", [{"order": order} for order in ORDERS]),
            *_slowest("list, filter by its usual order, {}", list(_filtered(["-created_at"]))),
            *_slowest("list, filter in an order it is fast in, {}", list(_filtered(ORDERS, is_fast=True))),
            _others(list(_filtered(ORDERS, is_fast=False))),
        ]
    return [*findings, *_pages(tenants[LARGE]), _gives_up(tenants[LARGE])]


def _filtered(orders: Any, *, is_fast: bool | None = None) -> Iterator[dict[str, str]]:
    """Addresses of filtered lists: those that the registry of facts marks as fast in their order, the others, or all."""
    from leads.listing import read_list_query
    from tenancy.models import Membership, Role

    sdr = Membership.objects.filter(roles=[Role.SDR]).order_by("id").first()
    for given in FILTERS.values():
        for order in orders:
            filled = json.loads(json.dumps(given).replace('"SDR"', str(sdr.pk)))
            address = {
                name: json.dumps(value) if isinstance(value, dict) else str(value)
                for name, value in filled.items()
            } | {"order": order}
            query = read_list_query(parameters=address, member=Membership())
            if is_fast is None or is_fast == query.is_promised(order=order.removeprefix("-")):
                yield address


def _slowest(what: str, addresses: list[dict[str, str]]) -> Iterator[Finding]:
    """The slowest first page of these lists, and the slowest thousandth."""
    for place, pages in (("first page", 0), ("thousandth page", PAGES)):
        measured = []
        for address in addresses:
            at_page = _at_page(address, pages)
            if at_page is None:
                continue
            measured.append((*_measured(at_page), _shown(address)))
        if measured:
            yield worst(what.format(place), SIZES[LARGE], LIMIT_MS, MOST_QUERIES, measured)


def _others(addresses: list[dict[str, str]]) -> Finding:
    """The slowest first page of lists that no index is promised for: they end within the time of a page."""
    from leads.listing import SLOW_LIMIT_MS

    measured = [(*_measured(address), _shown(address)) for address in addresses]
    milliseconds, _queries, name = max(measured)
    within = sum(each <= LIMIT_MS for each, *_rest in measured)
    detail = f"{within} of {len(measured)} within {LIMIT_MS:.0f} ms; slowest: {name}"
    what = "list, filter in an order it is not fast in, first page"
    return limited(what, SIZES[LARGE], milliseconds, SLOW_LIMIT_MS, detail=detail)


def _shown(address: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in address.items() if name != "cursor")[:70]


def _measured(parameters: dict[str, str]) -> tuple[float, int]:
    """Milliseconds of SQL and queries; one that the database gives up on takes the time after which it does."""
    from leads.listing import SLOW_LIMIT_MS, ListTooSlow

    try:
        return sql_milliseconds(partial(_read, parameters))
    except ListTooSlow:
        return SLOW_LIMIT_MS, 0


def _read(parameters: dict[str, str]) -> None:
    """One page with its rows, as the page and the API read it."""
    from django.utils import timezone

    from leads.listing import count_leads, list_leads, read_list_query
    from leads.rows import list_lead_rows
    from tenancy.models import Membership

    now = timezone.now()
    query = read_list_query(parameters=parameters, member=Membership(), size=PAGE_SIZE)
    page = list_leads(query=query, now=now)
    list_lead_rows(lead_ids=page.lead_ids)
    count_leads(query=query, now=now)


def _at_page(parameters: dict[str, str], pages: int) -> dict[str, str] | None:
    """The address of a later page without walking there: one page as long as all before it tells where it begins."""
    from django.utils import timezone

    from leads.listing import list_leads, read_list_query
    from tenancy.models import Membership

    if pages == 0:
        return parameters
    query = read_list_query(parameters=parameters, member=Membership(), size=pages * PAGE_SIZE)
    cursor = list_leads(query=query, now=timezone.now()).next_cursor
    return parameters | {"cursor": cursor} if cursor else None


def _pages(tenant_id: int) -> Iterator[Finding]:
    """The page and the API's answer whole, from the request to the last byte, in this process."""
    from django.test import Client

    from benchmarks.capture import make_key
    from tenancy.models import Membership, Role, Scope
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant_id):
        admin = Membership.objects.select_related("user").filter(roles__contains=[Role.ADMIN]).first()
    browser = Client(SERVER_NAME="localhost")
    browser.force_login(admin.user)
    key = make_key(tenant_id, Scope.LEADS_READ)
    asks: dict[str, Callable[[], Any]] = {
        "list, page with its frame": lambda: browser.get(f"/t/{LARGE}/leads/?stage=mql&order=-score"),
        "list, rows alone": lambda: browser.get(
            f"/t/{LARGE}/leads/?order=-score", headers={"HX-Request": "true", "HX-Target": "leads-rows"}
        ),
        "list, API": lambda: browser.get(
            "/api/v1/leads/?stage=mql&order=-score", headers={"Authorization": f"Bearer {key}"}
        ),
    }
    for what, ask in asks.items():
        answer = ask()
        assert answer.status_code == 200, (what, answer.status_code)
        yield limited(f"{what}, server time", SIZES[LARGE], server_milliseconds(ask), PAGE_LIMIT_MS)


def _gives_up(tenant_id: int) -> Finding:
    """A filter that no index serves: within its time there is a clear answer."""
    from django.utils import timezone

    from leads.listing import SLOW_LIMIT_MS, ListTooSlow, list_leads, read_list_query
    from tenancy.models import Membership
    from tenancy.scope import tenant_scope

    filter_ = {"fact": "job_title", "op": "contains", "value": "nobody has this"}
    said = "a page"

    def ask() -> None:
        nonlocal said
        query = read_list_query(parameters={"filter": json.dumps(filter_)}, member=Membership())
        try:
            list_leads(query=query, now=timezone.now())
        except ListTooSlow:
            said = "told to narrow the list"

    with tenant_scope(tenant_id):
        milliseconds = server_milliseconds(ask, repeats=1)
    most = SLOW_LIMIT_MS * 1.2
    return limited(f"list, a filter without an index ({said})", SIZES[LARGE], milliseconds, most)
