"""Engines put their part on the lead page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from leads.models import Lead
from tenancy.models import Membership


@dataclass(frozen=True)
class Panel:
    """One part of the lead page: ``template`` is rendered with what ``context(lead, member)`` returns; None hides it."""

    name: str
    template: str
    context: Callable[[Lead, Membership], dict[str, Any] | None]
    order: int


_panels: list[Panel] = []


def register_panel(panel: Panel) -> None:
    """Say once, when an app is ready, what it shows on the lead page."""
    _panels.append(panel)


def list_panels() -> list[Panel]:
    """The panels in the order in which they stand on the page."""
    return sorted(_panels, key=lambda panel: panel.order)
