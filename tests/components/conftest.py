"""Components in a real browser, without server and database: pages are drawn from templates, files come from static/."""

import mimetypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template import engines
from django.test import RequestFactory
from playwright.sync_api import Browser, Page, Route

from tests.browser import list_axe_violations, open_chromium, watch_faults

ORIGIN = "http://leadsys.test"
POLICY = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'"
SHELL = "{{% extends 'base_centred.html' %}}{{% load ui %}}{{% block title %}}Test{{% endblock %}}{parts}"

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as chromium:
        yield chromium


def serve_static(route: Route) -> None:
    path = Path(settings.BASE_DIR) / "static" / route.request.url.split("/static/", 1)[1].split("?")[0]
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    route.fulfill(body=path.read_bytes(), content_type=kind)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Draws ``content`` (and ``scripts``) in the frame and opens it; a fault of a script or of the policy fails the test."""
    watched: list[list[str]] = []

    def draw(
        content: str, *, scripts: str = "", width: int = 1200, theme: str = "light", **context: Any
    ) -> Page:
        # Models can't be imported before Django is ready, and this file is read before.
        from django.contrib.auth.models import AnonymousUser

        request = RequestFactory().get("/")
        request.user = AnonymousUser()
        parts = (
            "{% block content %}" + content + "{% endblock %}{% block scripts %}" + scripts + "{% endblock %}"
        )
        html = engines["django"].from_string(SHELL.format(parts=parts)).render(context, request)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
        watched.append(watch_faults(page))
        page.route("**/static/**", serve_static)
        page.route(
            f"{ORIGIN}/",
            lambda route: route.fulfill(
                body=html, content_type="text/html", headers={"Content-Security-Policy": POLICY}
            ),
        )
        page.goto(f"{ORIGIN}/")
        return page

    yield draw
    assert [fault for faults in watched for fault in faults] == []


@pytest.fixture
def find_serious() -> Callable[[Page], list[str]]:
    return list_axe_violations
