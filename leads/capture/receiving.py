"""What comes in from outside is committed raw before it is processed, in one statement that is its own transaction.

From then on a due row stands for the work, so whatever dies, a sweep finishes it.
"""

import hashlib
import json
import time
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from core.due import sweep_kind
from core.tasks import send, system_task
from core.together import Together
from leads.capture.values import email_kind, normalise_email
from leads.conditions.statements import Statement
from leads.models import EmailKind, Submission
from tenancy.errors import Conflict, Unprocessable
from tenancy.keys import PROVEN
from tenancy.requests import KeyProof
from tenancy.scope import TENANT_SETTING, tenant_scope

DUE_KIND: Final = "submission.process"
IDEMPOTENCY_LIFETIME: Final = timedelta(hours=24)
# How many workers can be at one tenant's submissions at once.
LANES: Final = 4
# One wake-up for all that comes in within so many seconds.
GATHERING: Final = 0.1
# How many senders of one submission each are served at once.
MOST_TOGETHER: Final = 50


class KeyReused(Unprocessable):
    """An idempotency key came a second time with another body."""


class StillRunning(Conflict):
    """An idempotency key came again before the first call was answered."""


class Unproven(RuntimeError):
    """What was remembered of an API key is not what the database says of it, or there was another reason to write nothing."""


@dataclass(frozen=True)
class Raw:
    """One submission as it came in, and who brought it."""

    payload: Any
    source: str
    api_key_id: int | None = None
    member_id: int | None = None
    form_id: int | None = None
    idempotency_key: str | None = None
    # What its sender is answered before anything is made of it; None if they wait for what comes of it.
    status: int | None = None


@dataclass(frozen=True)
class Replay:
    """What the first call with this idempotency key was answered; without a body, where to look."""

    submission_id: int
    status: int
    body: Any


def receive(
    *, tenant_id: int, raws: Sequence[Raw], now: datetime, due_at: datetime, proof: KeyProof | None = None
) -> list[int]:
    """Commit raw submissions in one statement, which is its own transaction; returns their ids in order.

    A submission whose idempotency key is taken is left out; see ``receive_once``. Raises TenantSuspended; with the ``proof`` of a
    key that was recalled Unproven wherever nothing is written, so that the caller asks again with nothing to prove.
    """
    return _receive([_Sent(tenant_id, raw, now, due_at, proof) for raw in raws])


class _Sent(NamedTuple):
    """A submission, whose it is, when it came and from when on a sweep processes it."""

    tenant_id: int
    raw: Raw
    now: datetime
    due_at: datetime
    proof: KeyProof | None


def _receive(sent: Sequence[_Sent]) -> list[int]:
    """Like ``receive``; all are of one tenant and one key."""
    tenant_id, proof = sent[0].tenant_id, sent[0].proof
    rows = [
        {
            "payload": raw.payload,
            "source": raw.source,
            "api_key_id": raw.api_key_id,
            "member_id": raw.member_id,
            "form_id": raw.form_id,
            "idempotency_key": raw.idempotency_key,
            "body_hash": body_hash(raw.payload) if raw.idempotency_key else None,
            "response_status": raw.status if raw.idempotency_key else None,
            "lane": lane_of(raw.payload),
            "received_at": now.isoformat(),
            "due_at": due_at.isoformat(),
        }
        for _tenant_id, raw, now, due_at, _proof in sent
    ]
    values = {"rows": json.dumps(rows), "kind": DUE_KIND}
    prefix, said = proof or (None, None)
    # Inside a transaction the setting of the scope would outlive the statement.
    statement = _RECEIVE_NEW if any(raw.idempotency_key for _tenant_id, raw, *_more in sent) else _RECEIVE
    with tenant_scope(tenant_id) if connection.in_atomic_block else nullcontext():
        found = statement.rows(
            tenant=tenant_id, setting=TENANT_SETTING, scope=str(tenant_id), prefix=prefix, said=said, **values
        )
    if not found and proof is not None:
        raise Unproven
    if not found:
        with tenant_scope(tenant_id):
            """Nothing is taken in for a suspended tenant, and this says so."""
    return [submission_id for (submission_id,) in found]


# A tenant that is not suspended, and a key that is what was remembered of it, or nothing.
_GIVEN: Final = f"""
WITH scope AS MATERIALIZED (
    SELECT set_config(%(setting)s::text, %(scope)s::text, true)
    WHERE NOT EXISTS (SELECT FROM tenancy_tenant WHERE id = %(tenant)s::bigint AND suspended_at IS NOT NULL)
      AND (%(said)s::text IS NULL OR {PROVEN})
), given AS MATERIALIZED (
    SELECT nextval('leads_submission_id_seq') AS id, given.*
    FROM scope CROSS JOIN jsonb_to_recordset(%(rows)s::jsonb) AS given (
        payload jsonb, source text, api_key_id bigint, member_id bigint, form_id bigint, idempotency_key text,
        body_hash text, response_status smallint, lane smallint, received_at timestamptz, due_at timestamptz
    )
), inserted AS (
    INSERT INTO leads_submission (
        id, tenant_id, source, payload, received_at, state, api_key_id, member_id, form_id,
        idempotency_key, body_hash, response_status, attempts, error
    )
    SELECT id, %(tenant)s::bigint, source, payload, received_at, 'received', api_key_id, member_id, form_id,
           idempotency_key, body_hash, response_status, 0, ''
    FROM given
"""  # noqa: S608 - only the constant above
_DUE: Final = """
    INSERT INTO core_duerow (tenant_id, kind, subject, due_at, lane, attempts, error)
    SELECT %(tenant)s::bigint, %(kind)s::text, given.id, given.due_at, given.lane, 0, ''
"""
_RECEIVE: Final = Statement.text(f"{_GIVEN}), due AS ({_DUE} FROM given) SELECT id FROM given ORDER BY id")  # noqa: S608
# Looking for those that are there already, and for what is left, costs a quarter more.
_RECEIVE_NEW: Final = Statement.text(f"""{_GIVEN}
    ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id
), due AS ({_DUE} FROM inserted JOIN given USING (id))
SELECT id FROM inserted ORDER BY id
""")  # noqa: S608 - only the constants above


# For senders of one submission each that call at the same time; without keys, so that none is left out.
_receive_together: Final = Together(_receive, most=MOST_TOGETHER)


def lane_of(payload: Any) -> int:
    """In which lane a submission is processed: submissions about one lead, or one company's people, are in the same one.

    By the business domain of the e-mail, else by the first thing that says who it is. Where this errs, two workers wait for each
    other, no more.
    """
    if not isinstance(payload, dict):
        return 0
    email = payload.get("email")
    normal = normalise_email(email) if isinstance(email, str) else None
    if normal is not None and email_kind(normal) is EmailKind.BUSINESS:
        who: Any = normal.rpartition("@")[2]
    else:
        who = normal or next(
            (payload[name] for name in ("external_id", "phone", "name") if payload.get(name)), ""
        )
    return zlib.crc32(str(who).encode(errors="replace")) % LANES


def body_hash(payload: Any) -> str:
    """Equal for equal bodies, whatever the order of their members."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


def receive_once(
    *, tenant_id: int, raw: Raw, now: datetime, due_at: datetime, proof: KeyProof | None = None
) -> int | Replay:
    """Commit one submission; one whose idempotency key has been answered before gives that answer again.

    Raises KeyReused for another body under the same key, StillRunning while the first call runs, and as ``receive`` does.
    """
    if raw.idempotency_key is None and not connection.in_atomic_block:
        return _receive_together(key=(tenant_id, proof), item=_Sent(tenant_id, raw, now, due_at, proof))
    ids = receive(tenant_id=tenant_id, raws=[raw], now=now, due_at=due_at, proof=proof)
    if ids:
        return ids[0]
    with tenant_scope(tenant_id):
        first = Submission.objects.select_for_update().get(idempotency_key=raw.idempotency_key)
        is_expired = now - first.received_at > IDEMPOTENCY_LIFETIME
        if is_expired:
            Submission.objects.filter(pk=first.pk).update(idempotency_key=None)
    if is_expired:
        return receive_once(tenant_id=tenant_id, raw=raw, now=now, due_at=due_at)
    if first.body_hash != body_hash(raw.payload):
        raise KeyReused(_("This idempotency key was used with another body. Use a new key."))
    if first.response_status is None:
        raise StillRunning(
            _("The first call with this idempotency key is still running. Ask again in a moment.")
        )
    return Replay(first.pk, first.response_status, first.response_body)


def wake_processing(*, tenant_id: int) -> None:
    """Ask a worker to process what nobody waits for, soon: once for all that this process takes in meanwhile."""
    now = time.monotonic()
    if now >= _gathering.get(tenant_id, now):
        _gathering[tenant_id] = now + GATHERING
        send(process_received, {"tenant_id": tenant_id}, delay=GATHERING)


# By tenant, until when a wake-up that was sent has yet to come.
_gathering: dict[int, float] = {}


@system_task(name="leads.process_received")
def process_received(*, tenant_id: int) -> None:
    """Process what has come in for a tenant; each batch enters the scope for itself."""
    sweep_kind(kind=DUE_KIND, tenant_id=tenant_id, now=timezone.now())
