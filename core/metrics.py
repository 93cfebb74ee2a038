"""What is counted while the system works: a counter or a time for each kind of event, named here and nowhere else.

With ``METRICS_FOLDER`` set, every web, worker and command process counts in files of that folder and any web process shows
the sums of all (``core.scrape``). Without it, or where the folder can't be used, a process shows its own numbers only.

Labels are names of the program (routes, steps, kinds, states), never a tenant, a person or a path.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Histogram, Summary, values
from prometheus_client.multiprocess import MultiProcessCollector

from core.process_slots import ProcessSlot

log = structlog.get_logger(__name__)

# Seconds: a page that answers from an index, the promised 50 ms of a list, and what people begin to feel.
REQUEST_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


def _open_folder(folder: str) -> bool:
    """Whether the processes of this machine count together; decided before the first counter is made."""
    if not folder:
        return False
    slot = ProcessSlot(Path(folder))
    try:
        slot.number()
    except OSError as error:
        log.warning("metrics of this process are kept apart", folder=folder, error=str(error))
        return False
    # The library reads the folder from here, and takes numbers that are used again for what it calls process identifiers.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    values.ValueClass = values.MultiProcessValue(slot.number)  # type: ignore[no-untyped-call]
    return True


IS_SHARED: Final = _open_folder(settings.METRICS_FOLDER)
_own: Final = CollectorRegistry()


def counted() -> CollectorRegistry:
    """A registry with everything counted so far, by all processes that share the folder."""
    if not IS_SHARED:
        return _own
    registry = CollectorRegistry()
    MultiProcessCollector(registry, settings.METRICS_FOLDER)  # type: ignore[no-untyped-call]
    return registry


REQUESTS: Final = Counter(
    "leadsys_requests", "Answered requests.", ["method", "route", "status"], registry=_own
)
REQUEST_TIME: Final = Histogram(
    "leadsys_request_seconds",
    "Time to answer a request.",
    ["method", "route"],
    buckets=REQUEST_SECONDS,
    registry=_own,
)
STEP_TIME: Final = Summary(
    "leadsys_pipeline_step_seconds", "Time of one batch in one pipeline step.", ["step"], registry=_own
)
STEP_LEADS: Final = Counter(
    "leadsys_pipeline_leads", "Leads that went through a pipeline step.", ["step"], registry=_own
)
STEP_FAILURES: Final = Counter(
    "leadsys_pipeline_failures", "Batches that a pipeline step did not finish.", ["step"], registry=_own
)
DUE_ROWS: Final = Counter("leadsys_due_rows", "Due rows acted on.", ["kind"], registry=_own)
DUE_FAILURES: Final = Counter(
    "leadsys_due_row_failures", "Due rows whose act raised.", ["kind"], registry=_own
)
TASK_TIME: Final = Summary("leadsys_task_seconds", "Time of one task of a worker.", ["task"], registry=_own)
TASK_FAILURES: Final = Counter("leadsys_task_failures", "Tasks that raised.", ["task"], registry=_own)
WAKE_UPS: Final = Counter(
    "leadsys_wake_ups",
    "Wake-ups for workers, sent or lost because the broker was away.",
    ["task", "result"],
    registry=_own,
)
SUBMISSIONS: Final = Counter(
    "leadsys_submissions", "Submissions that came into a state.", ["state"], registry=_own
)
MESSAGES: Final = Counter(
    "leadsys_messages", "Messages to leads that came into a state.", ["state"], registry=_own
)
WEBHOOKS: Final = Counter(
    "leadsys_webhooks",
    "Deliveries to other systems that came into a state, and attempts that failed.",
    ["state"],
    registry=_own,
)


@contextmanager
def step_measured(*, step: str, leads: int) -> Iterator[None]:
    """Count one batch of leads through one pipeline step, with its time; a step that raises is counted as failed."""
    began = time.perf_counter()
    try:
        yield
    except BaseException:
        STEP_FAILURES.labels(step).inc()
        raise
    STEP_TIME.labels(step).observe(time.perf_counter() - began)
    STEP_LEADS.labels(step).inc(leads)


@contextmanager
def task_measured(*, task: str) -> Iterator[None]:
    """Count one run of a task, with its time."""
    began = time.perf_counter()
    try:
        yield
    except BaseException:
        TASK_FAILURES.labels(task).inc()
        raise
    finally:
        TASK_TIME.labels(task).observe(time.perf_counter() - began)
