"""The SDR's queue and the sales rep's inbox, with hundreds of thousands of leads that wait for anybody of a team."""

from collections.abc import Callable
from typing import Any, Final

from benchmarks.place import LARGE, SIZES
from benchmarks.report import Finding, limited, worst
from benchmarks.timing import server_milliseconds, sql_milliseconds

LIMIT_MS: Final = 10.0
PAGE_LIMIT_MS: Final = 50.0
MOST_QUERIES: Final = 10
PAGES: Final = 1000
PAGE_SIZE: Final = 25


def measure_queue(tenants: dict[str, int]) -> list[Finding]:
    """Milliseconds of SQL for the first page and the thousandth, of a person and of who oversees everything."""
    from leads.qualification import queue
    from tenancy.models import Membership, Role
    from tenancy.scope import tenant_scope

    findings = []
    desks: tuple[tuple[str, Role, Callable[..., Any], Callable[..., Any]], ...] = (
        ("SDR queue", Role.SDR, queue.list_queue, queue.count_queue),
        ("sales inbox", Role.SALES, queue.list_inbox, queue.count_inbox),
    )
    with tenant_scope(tenants[LARGE]):
        for what, role, read, count in desks:
            for who in (role, Role.ADMIN):
                member = Membership.objects.filter(roles__contains=[who]).order_by("id").first()
                measured = [
                    (*sql_milliseconds(page), name) for name, page in _pages(read, count, member) if page
                ]
                findings.append(
                    worst(f"{what} of {_person(who)}", SIZES[LARGE], LIMIT_MS, MOST_QUERIES, measured)
                )
    return [*findings, *_whole_pages(tenants[LARGE])]


def _person(role: str) -> str:
    return "an administrator" if role == "admin" else "one person"


def _pages(read: Callable[..., Any], count: Callable[..., Any], member: Any) -> list[tuple[str, Any]]:
    """The first page with its counts, and the thousandth; where that begins is told by one page as long as all before it."""
    from django.utils import timezone

    now = timezone.now()
    cursor = read(member=member, now=now, size=PAGES * PAGE_SIZE).next_cursor

    def first() -> None:
        read(member=member, now=now, size=PAGE_SIZE)
        count(member=member)

    def later() -> None:
        read(member=member, now=now, size=PAGE_SIZE, cursor=cursor)
        count(member=member)

    return [("first page", first), ("thousandth page", later if cursor else None)]


def _whole_pages(tenant_id: int) -> list[Finding]:
    """Both places as the browser gets them, the chosen lead's card included."""
    from django.test import Client

    from tenancy.models import Membership, Role
    from tenancy.scope import tenant_scope

    findings = []
    for what, role in (("queue", Role.SDR), ("inbox", Role.SALES)):
        with tenant_scope(tenant_id):
            people = Membership.objects.select_related("user").filter(roles__contains=[role])
            member = people.order_by("id").first()
        browser = Client(SERVER_NAME="localhost")
        browser.force_login(member.user)

        def ask(browser: Any = browser, address: str = f"/t/{LARGE}/{what}/") -> None:
            answer = browser.get(address, headers={"HX-Request": "true", "HX-Target": "desk-list"})
            assert answer.status_code == 200, answer.status_code

        milliseconds = server_milliseconds(ask)
        findings.append(limited(f"{what}, its list, server time", SIZES[LARGE], milliseconds, PAGE_LIMIT_MS))
    return findings
