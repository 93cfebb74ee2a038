"""Doors for Celery: a task of a tenant enters its scope, a wake-up never fails the person whose act is already saved."""

import functools
import time
import uuid
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import structlog
from celery import Task, current_task, shared_task  # noqa: TID251 - the one place that makes tasks
from django.db import close_old_connections, transaction
from django.utils import timezone

from core.broker import broker_answers
from core.due import sweep_turn
from core.metrics import WAKE_UPS, task_measured
from tenancy.scope import NoTenantScope, TenantSuspended, require_tenant_id, tenant_scope

AnyTask: TypeAlias = "Task[..., Any]"
# A worker that is asked to stop ends its task first.
SWEEP_SECONDS: Final = 20.0

log = structlog.get_logger(__name__)


def tenant_task(*, name: str) -> Callable[[Callable[..., None]], AnyTask]:
    """Make a task that runs in one transaction inside the scope of the tenant it was given.

    Called without ``tenant_id`` it raises: a task that silently sees no rows is a bug that nobody notices.
    """

    def decorate(function: Callable[..., None]) -> AnyTask:
        @functools.wraps(function)
        def run(*, tenant_id: int | None = None, **arguments: Any) -> None:
            if tenant_id is None:
                raise NoTenantScope(f"The task {name} was called without tenant_id.")
            try:
                with tenant_scope(tenant_id):
                    function(**arguments)
            except TenantSuspended:  # the work itself is rows, found again once the tenant is resumed
                log.info("task of a suspended tenant left", task=name, tenant_id=tenant_id)

        return _make_task(run, name)

    return decorate


def system_task(*, name: str) -> Callable[[Callable[..., None]], AnyTask]:
    """Make a task that looks for work in every tenant and enters each scope itself."""

    def decorate(function: Callable[..., None]) -> AnyTask:
        return _make_task(function, name)

    return decorate


def _make_task(function: Callable[..., None], name: str) -> AnyTask:
    @functools.wraps(function)
    def run(**arguments: Any) -> None:
        close_old_connections()
        with (
            structlog.contextvars.bound_contextvars(task=name, task_id=_task_id()),
            task_measured(task=name),
        ):
            function(**arguments)

    return shared_task(name=name, ignore_result=True)(run)


def _task_id() -> str:
    """The id that the broker gave the running task; one made up where the task is called like a function."""
    return current_task.request.id or uuid.uuid4().hex


def wake(task: AnyTask, **arguments: Any) -> None:
    """Ask a worker to run a task of this tenant once the transaction is committed.

    The work itself is rows; if the broker is away the next sweep finds them. So this never raises and hardly waits.
    """
    call = {"tenant_id": require_tenant_id()} | arguments
    transaction.on_commit(lambda: send(task, call), robust=True)


def send(task: AnyTask, arguments: dict[str, Any], *, delay: float = 0) -> None:
    """Enqueue now, to be run in ``delay`` seconds; a broker that cannot be reached is logged and forgotten."""
    if not broker_answers():
        log.warning("wake-up lost", task=task.name, error="the broker is away")
        WAKE_UPS.labels(task.name, "lost").inc()
        return
    try:
        task.apply_async(kwargs=arguments, expires=60, retry=False, countdown=delay)
    except Exception as error:  # noqa: BLE001 - whatever a broker raises, the work itself is rows
        log.warning("wake-up lost", task=task.name, error=str(error))
        WAKE_UPS.labels(task.name, "lost").inc()
    else:
        WAKE_UPS.labels(task.name, "sent").inc()


@system_task(name="core.sweep")
def sweep_due_rows() -> None:
    """Act on whatever is due, in every tenant, and on what falls due meanwhile; the next tick goes on."""
    until = time.monotonic() + SWEEP_SECONDS
    has_more = True
    while has_more and time.monotonic() < until:
        _acted, has_more = sweep_turn(now=timezone.now())
