"""Chromium for tests: found by CHROMIUM or on the PATH, else the test is skipped loudly (or fails, if it must be there)."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
# In a container there is neither a user namespace nor a graphics card.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
SERIOUS = {"serious", "critical"}


def find_chromium() -> str:
    """The path of Chromium; skips the test where there is none, fails it if LEADSYS_REQUIRE_BROWSER=1."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    message = "BROWSER TESTS NOT RUN: no Chromium. Install it or set CHROMIUM to its path."
    if os.environ.get("LEADSYS_REQUIRE_BROWSER") == "1":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """A browser for the tests of one module."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def watch_faults(page: Page) -> list[str]:
    """A list that fills with script errors and violations of the content security policy."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    return faults


def list_axe_violations(page: Page, *, rules: list[str] | None = None) -> list[str]:
    """What axe finds serious or critical on the page as it is, one line a node; by some of its rules or all."""
    options = json.dumps({"runOnly": rules} if rules else {})
    # Through the debugging protocol: the page's own policy would refuse the script.
    session = page.context.new_cdp_session(page)
    expression = (
        AXE.read_text()
        + "; axe.run(document, "
        + options
        + ").then((found) => JSON.stringify(found.violations))"
    )
    answer: dict[str, Any] = session.send(
        "Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True}
    )
    session.detach()
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in json.loads(answer["result"]["value"])
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]
