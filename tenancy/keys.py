"""API keys: shown once, kept as a hash, recognised before a tenant is known."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

from django.db import connection
from django.utils.translation import gettext_lazy as _

from tenancy.audit import record
from tenancy.errors import Conflict, Problem
from tenancy.models import ApiKey, MemberKind, Membership, Role, Scope, Tenant
from tenancy.requests import KeyAccess, KeyProof
from tenancy.rights import NotAllowed, may
from tenancy.scope import tenant_scope

# A key reads lsk_PREFIX_SECRET: the prefix finds the row, the hash of the whole proves it.
MARK = "lsk"
LAST_USED_RESOLUTION = timedelta(minutes=1)
# How many keys a process remembers.
MOST_RECALLED: Final = 1000

Recognised: TypeAlias = tuple[Tenant, Membership, KeyAccess]


class KeyRefused(Problem):
    """No key, an unknown, expired or revoked one."""

    status = 401
    title = _("A valid API key is needed")


class KeyNameTaken(Conflict):
    """Two keys of a tenant cannot have one name."""


def hash_key(key: str) -> str:
    """How a key is kept. 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


def create_key(
    *,
    name: str,
    scopes: Iterable[Scope | str],
    by: Membership | None,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key of the current tenant and the service user it acts with.

    Returns the row and the key itself, which is never shown again. Raises KeyNameTaken.
    """
    if ApiKey.objects.filter(name=name).exists():
        raise KeyNameTaken(
            _("There is already a key of this name: %(name)s. Choose another.") % {"name": name}
        )
    prefix = secrets.token_hex(6)
    key = f"{MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    service = Membership.objects.create(
        kind=MemberKind.SERVICE, name=name, roles=[Role.MANAGER], user=None, joined_at=now
    )
    row = ApiKey.objects.create(
        name=name,
        prefix=prefix,
        key_hash=hash_key(key),
        scopes=sorted({Scope(scope).value for scope in scopes}),
        service=service,
        created_by=by,
        is_operators=by is None,
        created_at=now,
        expires_at=expires_at,
    )
    detail = {"scopes": row.scopes, "expires_at": expires_at.isoformat() if expires_at else None}
    record(act="key.created", subject=name, by=by, now=now, detail=detail)
    return row, key


def require_of_maker(*, key_id: int, right: str) -> None:
    """Raise NotAllowed unless the person who made a key has this right now; an operator's key has every right."""
    key: ApiKey = ApiKey.objects.select_related("created_by").get(pk=key_id)
    if key.is_operators or (key.created_by is not None and may(key.created_by, right)):
        return
    raise NotAllowed(_("Whoever made this key may not do this any more. Ask an administrator for a new one."))


def revoke_key(*, key: ApiKey, by: Membership | None, now: datetime) -> None:
    """Make a key useless at once and for ever; revoking it again changes nothing."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now):
        record(act="key.revoked", subject=key.name, by=by, now=now)


def resolve_key(*, header: str, now: datetime) -> Recognised:
    """The tenant, service user and scopes of an ``Authorization: Bearer KEY`` header. Raises KeyRefused."""
    return _look_up(header, now)[0]


def recall_key(*, header: str, now: datetime) -> Recognised:
    """Like ``resolve_key``, but what this process was told of the key within the last minute is taken as it was.

    For doors that prove it in the statement by which they write (``PROVEN``), where a key that has been revoked meanwhile, or a
    tenant that has changed, is noticed without a round trip for it. Raises KeyRefused.
    """
    mark = hash_key(header)
    if (known := _recalled.get(mark)) is not None and now < known.until:
        return known.recognised
    (tenant, service, key), proof, expires_at = _look_up(header, now)
    if len(_recalled) >= MOST_RECALLED:
        _recalled.clear()
    until = min(now + LAST_USED_RESOLUTION, expires_at or datetime.max.replace(tzinfo=UTC))
    _recalled[mark] = _Recalled((tenant, service, replace(key, proof=proof)), until)
    return tenant, service, key


class _Recalled(NamedTuple):
    """What was said of a key, and until when that is taken as it was."""

    recognised: Recognised
    until: datetime


# By the hash of the header.
_recalled: dict[str, _Recalled] = {}

# Whether a key is still what was said of it; the values are those of a KeyProof.
PROVEN: Final = """EXISTS (
    SELECT FROM leadsys_find_api_key(%(prefix)s::text) found
    WHERE to_jsonb(found) - 'last_used_at' = %(said)s::jsonb
)"""


def _look_up(header: str, now: datetime) -> tuple[Recognised, KeyProof, datetime | None]:
    word, _space, key = header.partition(" ")
    parts = key.strip().split("_", 2)
    if word.lower() != "bearer" or len(parts) != 3 or parts[0] != MARK:
        raise KeyRefused(_("Send the key as “Authorization: Bearer lsk_…”."))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT found.*, (to_jsonb(found) - 'last_used_at')::text FROM leadsys_find_api_key(%s) found",
            [parts[1]],
        )
        row = cursor.fetchone()
    if row is None:
        raise KeyRefused(_("This key is not known."))
    (
        key_id,
        tenant_id,
        service_id,
        key_hash,
        scopes,
        expires_at,
        revoked_at,
        last_used_at,
        service_name,
        *about,
        said,
    ) = row
    if not hmac.compare_digest(key_hash, hash_key(key.strip())):
        raise KeyRefused(_("This key is not known."))
    if revoked_at is not None:
        raise KeyRefused(_("This key was revoked."))
    if expires_at is not None and expires_at <= now:
        raise KeyRefused(_("This key has expired."))
    if last_used_at is None or now - last_used_at > LAST_USED_RESOLUTION:
        with tenant_scope(tenant_id):
            ApiKey.objects.filter(pk=key_id).update(last_used_at=now)
    slug, name, time_zone, language, currency, country = about
    tenant = Tenant(
        id=tenant_id,
        slug=slug,
        name=name,
        time_zone=time_zone,
        language=language,
        currency=currency,
        country=country,
    )
    service = Membership(
        id=service_id,
        tenant=tenant,
        kind=MemberKind.SERVICE,
        name=service_name,
        roles=[Role.MANAGER],
        is_active=True,
    )
    recognised = tenant, service, KeyAccess(id=key_id, scopes=frozenset(scopes))
    return recognised, KeyProof(parts[1], said), expires_at
