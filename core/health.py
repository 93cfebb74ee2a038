"""Whether the process lives, and whether it can do its work."""

from functools import cache

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Database reached, migrated and kept apart by a role that cannot bypass row security. The broker is only reported."""
    checks = {"database": "ok", "migrations": "ok", "row_security": "ok", "broker": broker_state()}
    try:
        if role_can_bypass():
            checks["row_security"] = "the database role can bypass row security; connect as leadsys_app"
        if pending := pending_migrations():
            checks["migrations"] = f"{pending} not applied; run manage.py migrate"
    except DatabaseError as error:
        checks["database"] = f"{type(error).__name__}"
    is_ready = all(state == "ok" for part, state in checks.items() if part != "broker")
    return JsonResponse(
        {"status": "ok" if is_ready else "not ready", **checks}, status=200 if is_ready else 503
    )


def pending_migrations() -> int:
    """How many migrations of this code the database lacks."""
    return len(_known_migrations().difference(MigrationRecorder(connection).applied_migrations()))


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """The migrations that came with the code, by app and name; reading them takes half a second."""
    return frozenset(MigrationLoader(None).graph.nodes)


def role_can_bypass() -> bool:
    """Whether the role we connect as is a superuser, may bypass row security, or owns a table."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT rolsuper OR rolbypassrls
                OR EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid AND relkind IN ('r', 'p'))
                OR pg_has_role(current_user, 'leadsys_definer', 'MEMBER')
            FROM pg_roles WHERE rolname = current_user
            """
        )
        return bool(cursor.fetchone()[0])


def broker_state() -> str:
    """Whether the broker answers within half a second."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5
        ) as client:
            client.ping()
    except redis.RedisError as error:
        return f"away: {type(error).__name__}"
    return "ok"
