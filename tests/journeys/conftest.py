"""The whole product in a real browser: served by Django's live server, worked by the same sweeps that a worker runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import open_chromium, watch_faults

PASSWORD = "journey-2026-journey"
PATIENCE_MS = 20_000

Enter = Callable[..., Page]


@dataclass(frozen=True)
class Cast:
    """The people of a journey, by login."""

    sdr: str = "bruno@horizonte.test"
    second_sdr: str = "ana@horizonte.test"
    rep: str = "diego@horizonte.test"
    marketing: str = "clara@horizonte.test"
    stranger: str = "rui@outra.test"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright's own loop runs in this thread; nothing of ours is asynchronous.
    with pytest.MonkeyPatch.context() as patch, open_chromium() as chromium:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield chromium


@pytest.fixture
def cast(browser: Browser, transactional_db: None, tenant: Any, other_tenant: Any) -> Cast:
    """Two SDRs of one team, a rep, somebody from marketing, and somebody from the other tenant."""
    from tenancy.models import Role, Team, TeamFunction
    from tenancy.scope import tenant_scope
    from tenancy.services import get_or_create_login, join_tenant

    people = Cast()
    now = timezone.now()

    def join(email: str, role: Role, name: str, team: Any = None) -> None:
        user = get_or_create_login(email=email)
        user.set_password(PASSWORD)
        user.language = "en"
        user.save()
        join_tenant(user=user, roles=[role], now=now, name=name, team=team)

    with tenant_scope(tenant.pk):
        team = Team.objects.create(name="Pre-sales", function=TeamFunction.SDR)
        join(people.sdr, Role.SDR, "Bruno", team)
        join(people.second_sdr, Role.SDR, "Ana", team)
        join(people.rep, Role.SALES, "Diego")
        join(people.marketing, Role.MARKETING, "Clara")
    with tenant_scope(other_tenant.pk):
        join(people.stranger, Role.ADMIN, "Rui")
    return people


@pytest.fixture
def enter(browser: Browser, live_server: Any, cast: Cast) -> Iterator[Enter]:
    """Opens a browser of one's own and signs in; a fault of a script or of the content policy fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[list[str]] = []

    def sign_in(email: str | None = None, **options: Any) -> Page:
        context = browser.new_context(
            **{
                "base_url": live_server.url,
                "locale": "en-US",
                "reduced_motion": "reduce",
                "viewport": {"width": 1400, "height": 900},
            }
            | options
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        faults.append(watch_faults(page))
        if email is not None:
            page.goto("/accounts/login/")
            page.fill("input[name=login]", email)
            page.fill("input[name=password]", PASSWORD)
            page.click("main button[type=submit], form button[type=submit]")
            page.wait_for_url("**/t/**")
        return page

    yield sign_in
    for context in contexts:
        context.close()
    # An answer of 4xx is an answer; what counts is what the page makes of it.
    answers = ("Failed to load resource", "Response Status Error Code 4")
    assert [fault for each in faults for fault in each if not fault.startswith(answers)] == []


@pytest.fixture
def work(tenant: Any) -> Callable[[], None]:
    """What a worker does once: whatever is due now, in the tenant."""
    from core.due import sweep_tenant

    def sweep_now() -> None:
        sweep_tenant(tenant_id=tenant.pk, now=timezone.now())

    return sweep_now
