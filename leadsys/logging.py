"""Structured logs: one line an event, with the request or task id and the tenant where there are any, and nobody's secrets."""

import logging
import logging.config

import structlog

from core.masking import mask

# Ours, and longer than what is masked.
_IDS = frozenset({"request", "task_id", "timestamp", "level", "logger"})


def configure_logging(*, level: str, as_json: bool) -> None:
    """Send the standard library's and structlog's records through one formatter to standard error."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"addresses": {"()": WithoutSecretAddresses}},
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        mask_values,
                        renderer,
                    ],
                }
            },
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "formatter": "structured",
                    "filters": ["addresses"],
                }
            },
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                "celery": {"level": "WARNING"},
                "django.server": {"level": "WARNING"},
                # Its lines for debugging show the whole request, the address with its secret too.
                "django.template": {"level": "INFO"},
            },
        }
    )
    structlog.configure(
        # What is not logged costs nothing more.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def mask_values(
    _logger: structlog.types.WrappedLogger, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Mask every text of a line but the ids of ours."""
    return {
        key: mask(value) if isinstance(value, str) and key not in _IDS else value
        for key, value in event.items()
    }


class WithoutSecretAddresses(logging.Filter):
    """Django names the path of what it refuses; of a one-time or unsubscribe link that is the secret itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        path = getattr(request, "path", None)
        if request is not None and path and isinstance(record.args, tuple):
            from core.requests import path_to_log

            record.args = tuple(path_to_log(request) if arg == path else arg for arg in record.args)
        return True
