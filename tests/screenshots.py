"""``make screenshots``: the pages of a running demo, as each person, in both themes and languages and on a phone.

Needs `make run` in another terminal and Chromium. Pictures go to ``.screenshots/``; ``--docs`` renews those in ``docs/images/``.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import django
from playwright.sync_api import Browser, Page

from leadsys.embedded import provide_environment

# The demo's people are known by their roles, which are Django's to load; no server is needed for that.
provide_environment(start=False)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")
django.setup()

from leadsys.demo.people import PASSWORD, PEOPLE, SLUG  # noqa: E402
from tests.browser import open_chromium  # noqa: E402

ADDRESS = f"http://localhost:{os.environ.get('PORT', '8000')}"
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Look:
    """One way to look at a page."""

    name: str
    width: int = 1440
    height: int = 900
    theme: str = "light"
    language: str = "en"


LOOKS = (
    Look("light"),
    Look("dark", theme="dark"),
    Look("phone", width=375, height=812),
    Look("pt-br", language="pt-BR"),
    Look("phone-pt-br", width=375, height=812, language="pt-BR"),
)
# By role: file name and the path under the tenant's address; {leads} is the first of that list.
PAGES = {
    "sdr": {
        "home-sdr": "",
        "queue": "queue/",
        "leads": "leads/",
        "lead": "leads/{leads}/",
        "tasks": "tasks/",
        "companies": "companies/",
        "company": "companies/{companies}/",
    },
    "sales": {
        "home-sales": "",
        "inbox": "inbox/",
        "board": "opportunities/board/?period=year",
        "opportunities": "opportunities/",
        "opportunities-won": "opportunities/?outcome=won&order=-amount",
        "opportunities-lost": "opportunities/?outcome=lost",
    },
    "marketing": {
        "home-marketing": "",
        "funnel": "funnel/",
        "rules": "rules/",
        **{
            f"rules-{kind}": f"rules/{kind}/main/"
            for kind in ("scoring", "grading", "gates", "reasons", "routing", "clocks")
        },
        **{f"edit-{kind}": f"rules/{kind}/main/edit/" for kind in ("scoring", "grading", "gates", "routing")},
        "edit-qualification": "rules/qualification/bant/edit/",
        "outbox": "outbox/",
        "forms": "forms/",
        "form": "forms/{forms}/",
        "form-edit": "forms/{forms}/edit/",
        "form-embed": "forms/{forms}/embed/",
        "campaigns": "campaigns/",
        "campaign-new": "campaigns/new/",
        "duplicates": "duplicates/",
        "merge-with": "leads/{leads}/merge/",
        "views": "lists/leads/views/",
        "bulk": "lists/leads/bulk/add_tag/?all=1&stage=mql",
        "export": "lists/leads/export/?stage=mql",
        "imports": "imports/",
        "import-new": "imports/new/",
    },
    "manager": {
        "home-manager": "",
        "funnel-by-sdr": "funnel/?by=sdr",
        "funnel-leads": "funnel/leads/?stage=sql",
    },
    "admin": {
        "home-admin": "",
        "lead-new": "leads/new/",
        "lead-edit": "leads/{leads}/edit/",
        "lead-data": "leads/{leads}/data/",
        "data": "settings/data/",
        "data-exports": "settings/data/exports/",
        "retention": "settings/data/retention/",
        "erase-many": "lists/leads/bulk/erase/?stage=disqualified",
        "tags": "settings/tags/",
        "held": "held/",
        "members": "settings/members/",
        "invite": "settings/members/invite/",
        "teams": "settings/teams/",
        "team-new": "settings/teams/new/",
        "fields": "settings/fields/",
        "field-new": "settings/fields/new/",
        "reasons": "settings/reasons/",
        "reason": "settings/reasons/lose/no_budget/",
        "calendar": "settings/calendar/",
        "hours": "settings/calendar/hours/",
        "clocks": "settings/clocks/",
        "clock": "settings/clocks/first_contact/",
        "webhooks": "settings/webhooks/",
        "webhook-new": "settings/webhooks/new/",
        "keys": "settings/keys/",
        "key-new": "settings/keys/new/",
        "audit": "settings/audit/",
    },
    "viewer": {"home-viewer": "", "lead-viewer": "leads/{leads}/"},
}
IN_DOCS = {
    *((name, "light") for name in ("queue", "lead", "funnel", "board", "home-manager", "rules-scoring")),
    ("queue", "dark"),
    ("queue", "phone"),
}


@contextmanager
def signed_in(browser: Browser, look: Look, email: str) -> Iterator[Page]:
    """A page of a person who is signed in, as the look has it."""
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme="dark" if look.theme == "dark" else "light",
        locale=look.language,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{ADDRESS}/accounts/login/")
    page.fill("input[name=login]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"**/t/{SLUG}/**")
    yield page
    context.close()


def main(arguments: list[str]) -> int:
    """Take the pictures; names on the command line choose pages."""
    names = {argument for argument in arguments if not argument.startswith("-")}
    folder = ROOT / ".screenshots"
    folder.mkdir(exist_ok=True)
    with open_chromium() as browser:
        for look in LOOKS:
            for role, pages in PAGES.items():
                wanted = {name: path for name, path in pages.items() if not names or name in names}
                if not wanted:
                    continue
                email = next(person.email for person in PEOPLE if person.role == role)
                with signed_in(browser, look, email) as page:
                    for name, path in wanted.items():
                        take(page, name, path, look, folder, for_docs="--docs" in arguments)
    return 0


def first_of(page: Page, kind: str) -> str:
    """The id of the first row of a list; of leads, of those with the highest score."""
    page.goto(f"{ADDRESS}/t/{SLUG}/{kind}/" + ("?order=-score" if kind == "leads" else ""))
    page.wait_for_load_state("networkidle")
    links = page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))")
    found = (re.fullmatch(rf".*/{kind}/([0-9]+)/", href) for href in links)
    return next(match[1] for match in found if match)


def take(page: Page, name: str, path: str, look: Look, folder: Path, *, for_docs: bool) -> None:
    """One picture of one page."""
    if named := re.search(r"{([a-z]+)}", path):
        path = path.replace(named[0], first_of(page, named[1]))
    page.goto(f"{ADDRESS}/t/{SLUG}/{path}")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / f"{name}-{look.name}.png", full_page=look.width < 600)
    if for_docs and (name, look.name) in IN_DOCS:
        target = (
            ROOT / "docs" / "images" / (f"{name}.png" if look.name == "light" else f"{name}-{look.name}.png")
        )
        target.parent.mkdir(exist_ok=True)
        page.screenshot(path=target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
