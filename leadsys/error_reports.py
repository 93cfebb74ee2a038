"""Errors sent to a Sentry-compatible service, where one is named: what broke and where, nothing of anybody.

The report is made anew from a short list of what may leave, instead of striking out what may not: types of exceptions, masked
first lines of their texts, lines of our own program, route, method, tenant, request or task id.
"""

import logging
import re
import sys
from typing import Any, Final

import sentry_sdk
import structlog
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from core.masking import MASK, mask

_KEPT: Final = ("event_id", "timestamp", "platform", "level", "release", "environment", "sdk", "type")
_FRAME: Final = (
    "filename",
    "abs_path",
    "function",
    "module",
    "lineno",
    "in_app",
    "pre_context",
    "context_line",
    "post_context",
)
# Words of a log line that may leave: names of the program.
_TAGS: Final = ("tenant", "tenant_id", "request", "task", "task_id", "step", "kind")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”")


def send_error_reports(*, dsn: str, version: str, environment: str) -> None:
    """Begin to report errors that nobody expected, and what is logged as an error. Raises BadDsn for a wrong address."""
    sentry_sdk.init(
        dsn=dsn,
        release=f"leadsys@{version}",
        environment=environment,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        server_name="",
        auto_session_tracking=False,
        auto_enabling_integrations=False,
        integrations=[
            DjangoIntegration(transaction_style="url"),
            CeleryIntegration(propagate_traces=False),
            LoggingIntegration(level=None, event_level=logging.ERROR),
        ],
        before_send=strip,
    )


def strip(event: Event, hint: Hint) -> Event | None:
    """What may leave of an event, and nothing else."""
    given: dict[str, Any] = dict(event)
    stripped: dict[str, Any] = {name: given[name] for name in _KEPT if name in given}
    record = hint.get("log_record")
    words = getattr(record, "msg", "")
    said = words if isinstance(words, dict) else {"event": words}
    told = {**structlog.contextvars.get_contextvars(), **said}
    tags = {name: str(told[name]) for name in _TAGS if told.get(name) is not None}
    # A task that raised has ended, and its ids in our logs with it; the client of Celery knows its name.
    job = (given.get("extra") or {}).get("celery-job") or {}
    if "task_name" in job:
        tags.setdefault("task", str(job["task_name"]))
    if task_id := dict(given.get("tags") or {}).get("celery_task_id"):
        tags.setdefault("task_id", str(task_id))
    if method := (given.get("request") or {}).get("method"):
        tags["method"] = method
    if (given.get("transaction_info") or {}).get("source") == "route":
        # The address with names in the places of ids and secrets.
        stripped["transaction"] = given["transaction"]
    elif "task" in tags:
        stripped["transaction"] = tags["task"]
    stripped["tags"] = tags
    if said.get("event"):
        # The words of the program; what would be put into them stays here.
        stripped["logentry"] = {"message": mask(str(said.get("event")))}
    if record is not None:
        stripped["logger"] = record.name
    broken = sys.exc_info()[1] if said.get("exc_info") is True else said.get("exc_info")
    if isinstance(broken, BaseException) and "exception" not in given:
        # structlog hands the exception on with its words; the client looks for it beside them.
        given |= event_from_exception(broken, client_options=sentry_sdk.get_client().options)[0]
    exceptions = (given.get("exception") or {}).get("values") or []
    if exceptions:
        stripped["exception"] = {"values": [_exception(each) for each in exceptions]}
    return stripped  # type: ignore[return-value]


def _exception(given: dict[str, Any]) -> dict[str, Any]:
    """An exception by its type, place, and the first line of its text without what is quoted in it."""
    first = str(given.get("value") or "").partition("\n")[0][:300]
    kept = {name: given[name] for name in ("type", "module", "mechanism") if name in given}
    frames = (given.get("stacktrace") or {}).get("frames") or []
    return kept | {
        "value": mask(_QUOTED.sub(f"'{MASK}'", first)),
        "stacktrace": {"frames": [{k: frame[k] for k in _FRAME if k in frame} for frame in frames]},
    }
