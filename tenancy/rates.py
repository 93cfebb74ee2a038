"""How often a key, a form and an address may ask: counted in windows of fixed length in the cache that all processes share.

The whole of a window's requests may come at once. While the cache is away nobody is counted: work is delayed rather than people
refused.
"""

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, cast

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from tenancy.errors import Problem


class CountingCache(Protocol):
    """What the configured cache gives beside Django's own methods."""

    def count(self, lifetimes: Mapping[str, int]) -> dict[str, int]:
        """Add one to each counter and say where they stand; a new one lasts that many seconds. Empty while away."""


class TooMany(Problem):
    """Somebody asks too often; ``retry_after`` seconds later they may again."""

    status = 429
    title = _("Too many requests")


def count_key(*, key_id: int, now: datetime) -> None:
    """Count a request of an API key. Raises TooMany."""
    seconds = _wait({"key": str(key_id)}, now)
    if seconds:
        words = ngettext(
            "This key has asked too often. Ask again in %(seconds)s second.",
            "This key has asked too often. Ask again in %(seconds)s seconds.",
            seconds,
        )
        raise TooMany(words % {"seconds": seconds}, retry_after=seconds)


def count_form(*, form_id: int, address: str, now: datetime) -> None:
    """Count what is sent to a hosted form, by everybody and by this address. Raises TooMany."""
    seconds = _wait({"form": str(form_id), "address": f"{form_id}:{network_of(address)}"}, now)
    if seconds:
        words = ngettext(
            "This form is sent very often just now. What you typed is still here: send it again in %(seconds)s second.",
            "This form is sent very often just now. What you typed is still here: send it again in %(seconds)s seconds.",
            seconds,
        )
        raise TooMany(words % {"seconds": seconds}, retry_after=seconds)


def _wait(who: Mapping[str, str], now: datetime) -> int:
    """Count one request of each; how many seconds to wait when it is one too many for any, else 0."""
    instant = int(now.timestamp())
    limits, lifetimes = {}, {}
    for what, name in who.items():
        rate: tuple[int, int] | None = settings.RATES.get(what)
        if rate is not None:
            most, seconds = rate
            key = f"rate:{what}:{name}:{instant // seconds}"
            limits[key], lifetimes[key] = most, seconds
    counted = cast(CountingCache, cache).count(lifetimes) if lifetimes else {}
    return max(
        (lifetimes[key] - instant % lifetimes[key] for key, times in counted.items() if times > limits[key]),
        default=0,
    )


def client_address(request: HttpRequest) -> str:
    """Where a request comes from: what the outermost of our trusted proxies saw (LEADSYS_TRUSTED_PROXIES), else the peer."""
    proxies: int = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    seen = [each.strip() for each in request.headers.get("X-Forwarded-For", "").split(",")]
    if proxies and len(seen) >= proxies and seen[-proxies]:
        return seen[-proxies][:64]
    return str(request.META.get("REMOTE_ADDR", ""))


def network_of(address: str) -> str:
    """What stands for one sender: an IPv4 address, or the /64 network that one IPv6 subscriber has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
