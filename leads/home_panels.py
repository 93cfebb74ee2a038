"""What other apps put on the home page of those whom it concerns."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tenancy.models import Membership, Tenant


@dataclass(frozen=True)
class HomePanel:
    """One part of the home page: ``template`` sees as ``panel`` what ``context(member, tenant, now)`` returns; None hides it."""

    name: str
    template: str
    context: Callable[[Membership, Tenant, datetime], dict[str, Any] | None]
    order: int


@dataclass(frozen=True)
class ShownPanel:
    """A panel as one person sees it."""

    template: str
    context: dict[str, Any]


_panels: list[HomePanel] = []


def register_home_panel(panel: HomePanel) -> None:
    """Say once, when an app is ready, what it shows on the home page."""
    _panels.append(panel)


def list_home_panels(*, member: Membership, tenant: Tenant, now: datetime) -> list[ShownPanel]:
    """The panels of one person, in the order in which they stand on the page."""
    drawn = (
        (panel.template, panel.context(member, tenant, now))
        for panel in sorted(_panels, key=lambda panel: panel.order)
    )
    return [ShownPanel(template, context) for template, context in drawn if context is not None]
