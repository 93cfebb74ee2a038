"""``GET /metrics``: what all processes counted, and what the database, the broker and the registered readers say now."""

import ipaddress
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric

from core.broker import queue_depths
from core.metrics import counted

log = structlog.get_logger(__name__)

# A scrape must not wait for a database in trouble: what it could not ask is left out, and said so.
STATEMENT_TIMEOUT: Final = "2s"
# What a proxy adds on the way; one of them is enough to know that the caller is not on this machine.
PROXY_HEADERS: Final = (
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-Ip",
    "Forwarded",
    "Via",
)


@dataclass(frozen=True)
class Reading:
    """One number as it is now. ``labels`` are few and known beforehand."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"


Reader = Callable[[], Iterable[Reading]]

_readers: dict[str, Reader] = {}


def register_reader(name: str, read: Reader) -> None:
    """Say once, when an app is ready, who reads numbers at each scrape; ``read`` runs in a short transaction of its own."""
    if name in _readers:
        raise ValueError(f"Two readers of metrics are called {name!r}.")
    _readers[name] = read


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything, in the text format of Prometheus; for those who may look."""
    if not may_scrape(request):
        refusal = HttpResponse(
            "Send the token as “Authorization: Bearer …” (LEADSYS_METRICS_TOKEN).\n",
            status=401,
            content_type="text/plain; charset=utf-8",
        )
        refusal["WWW-Authenticate"] = "Bearer"
        return refusal
    registry = counted()
    body = generate_latest(registry) + generate_latest(_Now())
    return HttpResponse(body, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def may_scrape(request: HttpRequest) -> bool:
    """Whether the caller has the token, or sits on this very machine.

    An address of the loopback says nothing behind a proxy on the same machine, and some proxies leave no header of theirs. So
    it counts only where no proxy stands in front (``LEADSYS_TRUSTED_PROXIES=0``), and not with any trace of one.
    """
    scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return constant_time_compare(given.strip(), settings.METRICS_TOKEN)
    if settings.ALLAUTH_TRUSTED_PROXY_COUNT > 0 or any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:  # a socket file has no address; who is behind it is not known
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class _Now:
    """What is read at the moment of the scrape, in the shape of a registry."""

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for reading in read_now():
            family = families.get(reading.name)
            if family is None:
                family = families[reading.name] = Metric(reading.name, reading.help, reading.kind)
            suffix = "_total" if reading.kind == "counter" else ""
            family.add_sample(reading.name + suffix, dict(reading.labels), reading.value)
        yield from families.values()


def read_now() -> list[Reading]:
    """What the broker, the database and every registered reader say; one that fails is named, the others go on."""
    found = [
        Reading("leadsys_build_info", "The version that answers.", 1, (("version", settings.VERSION),)),
        *_broker(),
    ]
    for name, read in {"database": _connections, **_readers}.items():
        began = time.perf_counter()
        try:
            with short_transaction():
                found += read()
        except DatabaseError as error:
            log.warning("metrics could not be read", reader=name, error=type(error).__name__)
            is_up = 0
        else:
            is_up = 1
        labels = (("reader", name),)
        found.append(Reading("leadsys_reader_up", "Whether a reader of the scrape answered.", is_up, labels))
        took = time.perf_counter() - began
        found.append(Reading("leadsys_reader_seconds", "How long a reader of the scrape took.", took, labels))
    return found


@contextmanager
def short_transaction() -> Iterator[None]:
    """A transaction whose statements give up after two seconds. Raises DatabaseError."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
        yield


def _broker() -> list[Reading]:
    up = "Whether the broker answers."
    try:
        depths = queue_depths()
    except redis.RedisError:
        return [Reading("leadsys_broker_up", up, 0)]
    return [
        Reading("leadsys_broker_up", up, 1),
        *(
            Reading("leadsys_broker_queue", "Wake-ups that wait in the broker.", depth, (("queue", name),))
            for name, depth in depths.items()
        ),
    ]


def _connections() -> list[Reading]:
    """Connections of the application's role, by what they do, and how many the server allows in all."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT COALESCE(state, 'unknown'), count(*) FROM pg_stat_activity
            WHERE usename = current_user AND datname = current_database() GROUP BY 1
            """
        )
        states = cursor.fetchall()
        cursor.execute("SELECT current_setting('max_connections')::int")
        (limit,) = cursor.fetchone()
    return [
        *(
            Reading(
                "leadsys_database_connections",
                "Connections of the application to its database.",
                count,
                (("state", state),),
            )
            for state, count in states
        ),
        Reading("leadsys_database_connections_limit", "Connections the server allows.", limit),
    ]
