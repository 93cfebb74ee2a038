"""Every address the installation answers, read from the URL table."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from leads.views.act_pages import ACT_PAGES

# Words in addresses that mean the same to every tenant; every other parameter names something of one tenant.
WORDS = {"slug", "kind", "act", "name", "number", "part", "sort"}

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Address:
    """One row of the URL table: its route as written, its name, its parameters, the view behind it and the right it needs."""

    route: str
    name: str
    parameters: tuple[str, ...]
    view: Any
    right: str | None

    @property
    def is_tenant_page(self) -> bool:
        return self.route.startswith("/t/<slug:slug>/")

    @property
    def is_api(self) -> bool:
        return self.route.startswith("/api/")

    @property
    def ids(self) -> tuple[str, ...]:
        """The parameters that name something of a tenant."""
        return tuple(name for name in self.parameters if name not in WORDS)

    def path(self, values: dict[str, Any]) -> str:
        """The address with these values in it."""

        def fill(match: re.Match[str]) -> str:
            return str(values[match[1]])

        return re.sub(r"<(?:\w+:)?(\w+)>", fill, self.route)


def list_addresses() -> list[Address]:
    """Every address, in the order of its route."""
    return sorted(_walk(get_resolver().url_patterns, "/", ()), key=lambda address: address.route)


def _walk(patterns: list[Any], before: str, parameters: tuple[str, ...]) -> Iterator[Address]:
    for each in patterns:
        route = before + _readable(str(each.pattern))
        names = (*parameters, *each.pattern.converters, *_groups(each.pattern))
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, route, names)
        else:
            assert isinstance(each, URLPattern)
            callback = each.callback
            view = getattr(callback, "view_class", None) or getattr(callback, "cls", None) or callback
            address = Address(
                route, each.name or "", tuple(dict.fromkeys(names)), view, getattr(view, "right", None)
            )
            yield from _acts(address) if address.name == "lead-act" else [address]


def _acts(address: Address) -> Iterator[Address]:
    """One address for each act on a lead, with the right of the act."""
    parameters = tuple(name for name in address.parameters if name != "act")
    for page in ACT_PAGES.values():
        route = address.route.replace("<slug:act>", page.name)
        yield replace(address, route=route, parameters=parameters, right=page.right)


def _groups(pattern: Any) -> tuple[str, ...]:
    return tuple(getattr(getattr(pattern, "regex", None), "groupindex", {}))


def _readable(pattern: str) -> str:
    """A regular expression with its named groups written as a path has them."""
    if not pattern.startswith(("^", "(?")) and "(?P" not in pattern:
        return pattern
    plain = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"<\1>", pattern)
    return plain.removeprefix("^").removesuffix("$").removesuffix(r"\Z")
