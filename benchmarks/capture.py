"""Capture over HTTP, synchronous and asynchronous, against the bare insert and against size, in rounds in turn."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.load import THREADS, Load, of_rounds, run_load, served
from benchmarks.place import LARGE, SIZES, SMALL, owner_connection
from benchmarks.report import Finding

ROUNDS = 5
REQUESTS = 800
WARM_UP = 400


def measure_capture(tenants: dict[str, int]) -> list[Finding]:
    """New leads, known leads, and raw submissions whose sender does not wait."""
    with owner_connection() as owner:
        owner.execute(
            "CREATE TABLE IF NOT EXISTS bench_bare (id bigserial PRIMARY KEY, key text UNIQUE, body text)"
        )
        owner.execute("GRANT SELECT, INSERT ON bench_bare TO leadsys_app")
        owner.execute("GRANT USAGE ON SEQUENCE bench_bare_id_seq TO leadsys_app")
    keys = {slug: make_key(tenant_id) for slug, tenant_id in tenants.items()}
    # The bare view with one thread, with which it is quickest: it never waits for others, and has nothing that can be shared.
    with (
        served("benchmarks.bare:application", threads=1) as bare_port,
        served("benchmarks.ours:application", threads=THREADS) as port,
    ):
        asks: dict[Any, Callable[[], Load]] = {
            "bare": partial(
                run_load, port=bare_port, path="/insert/", headers={}, body=new_lead, requests=REQUESTS * 2
            )
        }
        leads = partial(run_load, port=port, path="/api/v1/leads/")
        for slug, key in keys.items():
            headers = {"Authorization": f"Bearer {key}"}
            # Until both processes have prepared their statements.
            leads(headers=headers, body=new_lead, requests=WARM_UP)
            for kind, body in (("new", new_lead), ("known", known_lead(SIZES[slug]))):
                asks[slug, kind] = partial(leads, headers=headers, body=body, requests=REQUESTS)
        waiting = {"Authorization": f"Bearer {keys[LARGE]}", "Prefer": "respond-async"}
        asks["raw"] = partial(leads, headers=waiting, body=new_lead, requests=REQUESTS * 2)
        played: dict[Any, list[Load]] = {name: [] for name in asks}
        for number in range(ROUNDS):
            # What one leaves to be written to the disk falls on another each time.
            for name in reversed(asks) if number % 2 else asks:
                played[name].append(asks[name]())
    loads = {name: of_rounds(rounds) for name, rounds in played.items()}
    bare, raw = loads["bare"], loads["raw"]
    return [
        finding("capture, new lead, after the whole pipeline", LARGE, loads[LARGE, "new"], bare, 8),
        finding("capture, known lead, after the whole pipeline", LARGE, loads[LARGE, "known"], bare, None),
        finding(
            "capture, new lead, large tenant against small",
            LARGE,
            loads[LARGE, "new"],
            loads[SMALL, "new"],
            1.3,
        ),
        finding(
            "capture, known lead, large tenant against small",
            LARGE,
            loads[LARGE, "known"],
            loads[SMALL, "known"],
            1.8,
        ),
        Finding(
            "capture, respond-async, raw submission committed",
            SIZES[LARGE],
            f"{raw.per_second:.0f}/s",
            f"{bare.per_second:.0f}/s",
            bare.per_second / raw.per_second,
            1 / 0.7,
            detail=f"median {raw.median_ms:.1f} ms, failed {raw.failed}",
        ),
    ]


def finding(what: str, slug: str, ours: Load, other: Load, most: float | None) -> Finding:
    """A line that compares medians."""
    return Finding(
        what,
        SIZES[slug],
        f"{ours.median_ms:.1f} ms",
        f"{other.median_ms:.1f} ms",
        ours.median_ms / other.median_ms,
        most,
        detail=f"{ours.per_second:.0f}/s against {other.per_second:.0f}/s, failed {ours.failed}",
    )


def make_key(tenant_id: int, *scopes: str) -> str:
    """An API key for this run; without scopes it may write leads."""
    from django.utils import timezone

    from tenancy.keys import create_key
    from tenancy.models import Scope
    from tenancy.scope import tenant_scope

    now = timezone.now()
    with tenant_scope(tenant_id):
        return create_key(
            name=f"bench {now:%Y-%m-%d %H:%M:%S.%f}", scopes=scopes or [Scope.LEADS_WRITE], by=None, now=now
        )[1]


def new_lead(dice: random.Random) -> dict[str, Any]:
    """Somebody nobody has heard of, with a form; the first of a company makes it, the others say the same of it."""
    number = dice.randrange(10**12)
    return {
        "email": f"ana{number}@nova{number % 100_000}.com.br",
        "first_name": "Ana",
        "last_name": f"Souza {number}",
        "country": "BR",
        "company": {"name": f"Nova {number % 100_000}", "size": 180},
        "origin": "webinar",
        "event": {"type": "form_submitted", "properties": {"kind": "newsletter"}},
    }


def known_lead(size: int) -> Any:
    """One of the tenant's leads, drawn at random, with something new about it."""

    def draw(dice: random.Random) -> dict[str, Any]:
        return {
            "external_id": f"bench-{dice.randrange(1, size + 1)}",
            "city": f"Cidade {dice.randrange(1000)}",
            "event": {"type": "page_viewed"},
        }

    return draw
