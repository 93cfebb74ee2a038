"""How the installation is, for those who run it: what is looked at, what counts as well, and what to do where it isn't."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypedDict

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.broker import queue_depths
from core.health import pending_migrations, role_can_bypass
from core.models import ProcessPulse
from core.pulse import Process, list_processes
from core.scrape import short_transaction
from insights.operation import MOST, OperationCount, read_operation_counts
from tenancy.components import Tone, spell_duration

# A sweep begins every second: what has waited longer than these is behind, then stuck.
LAG_SOON: Final = timedelta(seconds=10)
LAG_LATE: Final = timedelta(minutes=2)
SUBMISSION_SOON: Final = timedelta(minutes=1)
SUBMISSION_LATE: Final = timedelta(minutes=10)
# Wake-ups expire after seconds, so a queue that is longer than this is not being emptied.
QUEUE_SOON: Final = 100
# Shares of the server's connections, and of the disk.
CONNECTIONS_SOON: Final = 0.8
CONNECTIONS_LATE: Final = 0.95
DISK_SOON: Final = 0.10
DISK_LATE: Final = 0.03

_ORDER: Final[dict[Tone, int]] = {"late": 3, "soon": 2, "act": 1, "good": 0, "quiet": 0}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at: how it is in one sentence, and what to do about it, shown where it is not well."""

    name: str
    tone: Tone
    says: str
    advice: str = ""

    @property
    def do(self) -> str:
        return "" if self.tone == "good" else self.advice


@dataclass(frozen=True, kw_only=True)
class TenantTrouble:
    """What waits for somebody in one tenant, as counts; ``slug`` is its address."""

    slug: str
    held_leads: int = 0
    held_submissions: int = 0
    held_due_rows: int = 0
    unknown_messages: int = 0


@dataclass(frozen=True, kw_only=True)
class KindLag:
    """Due rows of one kind whose time has come: how many, and how long the oldest has waited."""

    kind: str
    count: int
    lag: timedelta


@dataclass(frozen=True, kw_only=True)
class Health:
    """Everything the page shows."""

    at: datetime
    checks: Sequence[Check]
    processes: Sequence[Process] = ()
    lags: Sequence[KindLag] = ()
    troubles: Sequence[TenantTrouble] = ()
    version: str = field(default_factory=lambda: settings.VERSION)

    @property
    def tone(self) -> Tone:
        """The worst of all checks."""
        return max((check.tone for check in self.checks), key=lambda tone: _ORDER[tone], default="good")

    @property
    def heading(self) -> str:
        late = sum(check.tone == "late" for check in self.checks)
        soon = sum(check.tone == "soon" for check in self.checks)
        if late:
            return ngettext("%d thing needs you now", "%d things need you now", late) % late
        if soon:
            return ngettext("%d thing to look at", "%d things to look at", soon) % soon
        return _("Everything works")


def look_at_health(*, now: datetime) -> Health:
    """Look at every part once. A part that can't be asked is late itself; nothing is raised but what nobody expects."""
    processes = list_processes()
    counts = _counts(now)
    checks = [
        *_processes(processes),
        _broker(),
        *_work(counts, now),
        *_database(),
        *_disk(),
    ]
    return Health(
        at=now,
        # What needs somebody comes first.
        checks=sorted(checks, key=lambda check: _ORDER[check.tone], reverse=True),
        processes=processes,
        lags=_lags(counts or [], now),
        troubles=_troubles(counts or []),
    )


def _counts(now: datetime) -> list[OperationCount] | None:
    try:
        with short_transaction():
            return read_operation_counts(now=now)
    except DatabaseError:
        return None


def _processes(processes: Sequence[Process]) -> Iterator[Check]:
    living = [process for process in processes if process.is_living]
    count = {role: sum(process.role == role for process in living) for role in ProcessPulse.Role.values}
    yield _alive(
        _("Web"),
        count["web"],
        ngettext("%d process answers.", "%d processes answer.", count["web"]) % count["web"],
        _("No web process was seen within half a minute."),
        _("This page came from one, so look at its log: it can't write to the database."),
    )
    yield _alive(
        _("Workers"),
        count["worker"],
        ngettext("%d process works.", "%d processes work.", count["worker"]) % count["worker"],
        _("No worker was seen within half a minute: clocks, sequences and messages wait."),
        _("Start a worker and look at its log. Nothing is lost meanwhile."),
    )
    if count["beat"] > 1:
        yield Check(
            name=_("Beat"),
            tone="soon",
            says=ngettext("%d process beats.", "%d processes beat.", count["beat"]) % count["beat"],
            advice=_("One is enough. Stop the others: they do no harm, but they wake the workers twice."),
        )
    else:
        yield _alive(
            _("Beat"),
            count["beat"],
            _("Wakes the workers every second."),
            _("No beat was seen within half a minute: nobody wakes the workers."),
            _("Start one beat process. What is due waits and is done as soon as it beats."),
        )
    versions = sorted({process.version for process in living})
    if len(versions) > 1:
        yield Check(
            name=_("Versions"),
            tone="soon",
            says=_("Processes of several versions run: %(versions)s.") % {"versions": ", ".join(versions)},
            advice=_("Restart those of the older version."),
        )


def _alive(name: str, count: int, well: str, missing: str, advice: str) -> Check:
    return Check(name=name, tone="good" if count else "late", says=well if count else missing, advice=advice)


def _broker() -> Check:
    name = _("Broker")
    try:
        depth = sum(queue_depths().values())
    except redis.RedisError:
        return Check(
            name=name,
            tone="late",
            says=_("The broker does not answer: nobody can wake the workers."),
            advice=_("Start Valkey and look at REDIS_URL. What comes in is kept and done once it is back."),
        )
    if depth > QUEUE_SOON:
        return Check(
            name=name,
            tone="soon",
            says=ngettext("%d wake-up waits.", "%d wake-ups wait.", depth) % depth,
            advice=_("The workers don't keep up: see what is overdue below, and add a worker."),
        )
    return Check(
        name=name,
        tone="good",
        says=ngettext("%d wake-up waits.", "%d wake-ups wait.", depth) % depth,
    )


def _work(counts: list[OperationCount] | None, now: datetime) -> Iterator[Check]:
    if counts is None:
        yield Check(
            name=_("Work"),
            tone="soon",
            says=_("What waits could not be counted within two seconds."),
            advice=_("The database is busy. Look again in a minute; then look for long statements in it."),
        )
        return
    yield from _late(counts, now)
    yield from _left_for_people(counts)


def _late(counts: Sequence[OperationCount], now: datetime) -> Iterator[Check]:
    overdue = [count for count in counts if count.what == "due_overdue"]
    yield Check(
        name=_("What is due"),
        **_waiting(overdue, now, soon=LAG_SOON, late=LAG_LATE),
        advice=_("If the workers live, they are too few or one kind of work is slow: see below which."),
    )
    received = [count for count in counts if count.what == "submission" and count.part == "received"]
    yield Check(
        name=_("Submissions"),
        **_waiting(received, now, soon=SUBMISSION_SOON, late=SUBMISSION_LATE),
        advice=_("They are kept and will be processed. Look at the workers and their log."),
    )


def _left_for_people(counts: Sequence[OperationCount]) -> Iterator[Check]:
    troubles = _troubles(counts)
    held = sum(each.held_leads + each.held_submissions for each in troubles)
    yield Check(
        name=_("Held"),
        tone="soon" if held else "good",
        says=(
            ngettext("%d failed three times and waits.", "%d failed three times and wait.", held) % held
            if held
            else _("Everything that came in went through.")
        ),
        advice=_("The administrators of the accounts below retry or give up on their page Held."),
    )
    given_up = sum(each.held_due_rows for each in troubles)
    if given_up:
        yield Check(
            name=_("Given up"),
            tone="soon",
            says=ngettext("%d due row failed three times.", "%d due rows failed three times.", given_up)
            % given_up,
            advice=_("See why with manage.py held_due_rows; once that is mended, add --retry."),
        )
    unknown = sum(each.unknown_messages for each in troubles)
    yield Check(
        name=_("Messages"),
        tone="soon" if unknown else "good",
        says=(
            ngettext(
                "Of %d message nobody knows whether it left.",
                "Of %d messages nobody knows whether they left.",
                unknown,
            )
            % unknown
            if unknown
            else _("The outcome of every message is known.")
        ),
        advice=_("Compare with the mail server's log; the accounts below decide on their page Outbox."),
    )


class _Waiting(TypedDict):
    tone: Tone
    says: str


def _waiting(found: Sequence[OperationCount], now: datetime, *, soon: timedelta, late: timedelta) -> _Waiting:
    """What is said of work that waits: well while the oldest has waited for less than ``soon``."""
    oldest = min((count.oldest for count in found if count.oldest), default=None)
    waited = now - oldest if oldest else timedelta()
    if waited <= soon:
        return {"tone": "good", "says": _("Nothing waits.")}
    amount = sum(count.amount for count in found)
    words = ngettext("%(count)s waits, for %(time)s.", "%(count)s wait, the oldest for %(time)s.", amount)
    says = words % {"count": f"{amount}+" if amount >= MOST else amount, "time": spell_duration(waited)}
    return {"tone": "late" if waited > late else "soon", "says": says}


def _lags(counts: Sequence[OperationCount], now: datetime) -> list[KindLag]:
    kinds: dict[str, tuple[int, datetime]] = {}
    for count in counts:
        if count.what == "due_overdue" and count.oldest is not None:
            amount, oldest = kinds.get(count.part, (0, count.oldest))
            kinds[count.part] = (amount + count.amount, min(oldest, count.oldest))
    lags = [KindLag(kind=kind, count=amount, lag=now - oldest) for kind, (amount, oldest) in kinds.items()]
    return sorted((lag for lag in lags if lag.lag > LAG_SOON), key=lambda lag: lag.lag, reverse=True)


_TROUBLES: Final = {
    ("lead", "held"): "held_leads",
    ("submission", "held"): "held_submissions",
    ("message", "unknown"): "unknown_messages",
}


def _troubles(counts: Sequence[OperationCount]) -> list[TenantTrouble]:
    tenants: dict[str, dict[str, int]] = {}
    for count in counts:
        name = "held_due_rows" if count.what == "due_held" else _TROUBLES.get((count.what, count.part))
        if name and count.tenant:
            amounts = tenants.setdefault(count.tenant, {})
            amounts[name] = amounts.get(name, 0) + count.amount
    return [TenantTrouble(slug=slug, **amounts) for slug, amounts in sorted(tenants.items())]


def _database() -> Iterator[Check]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT current_setting('server_version'), pg_size_pretty(pg_database_size(current_database())),
                (SELECT count(*) FROM pg_stat_activity), current_setting('max_connections')::int
            """
        )
        version, size, used, allowed = cursor.fetchone()
    share = used / allowed
    is_much = share >= CONNECTIONS_SOON
    yield Check(
        name=_("Database"),
        tone="late" if share >= CONNECTIONS_LATE else "soon" if is_much else "good",
        says=_("PostgreSQL %(version)s, %(size)s, %(used)d of %(allowed)d connections in use.")
        % {"version": version.partition(" ")[0], "size": size, "used": used, "allowed": allowed},
        advice=_("Put a pooler in front, or raise max_connections."),
    )
    can_bypass = role_can_bypass()
    yield Check(
        name=_("Row security"),
        tone="late" if can_bypass else "good",
        says=(
            _("The application's role could pass the walls between accounts.")
            if can_bypass
            else _("The database keeps accounts apart.")
        ),
        advice=_("Connect as leadsys_app: see DATABASE_URL."),
    )
    pending = pending_migrations()
    yield Check(
        name=_("Migrations"),
        tone="late" if pending else "good",
        says=(
            ngettext("%d is not applied.", "%d are not applied.", pending) % pending
            if pending
            else _("All are applied.")
        ),
        advice=_("Run manage.py migrate."),
    )


def _disk() -> Iterator[Check]:
    folder = Path(settings.HOME_FOLDER)
    if not settings.HOME_FOLDER or not folder.is_dir():
        return
    disk = shutil.disk_usage(folder)
    share = disk.free / disk.total
    is_little = share < DISK_SOON
    yield Check(
        name=_("Disk"),
        tone="late" if share < DISK_LATE else "soon" if is_little else "good",
        says=_("%(free).1f GB of %(total).1f GB are free where the data is.")
        % {"free": disk.free / 1e9, "total": disk.total / 1e9},
        advice=_("Make room: a full disk stops the database."),
    )
