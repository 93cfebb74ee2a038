"""Whether the broker can take a wake-up now, and how many wait in it.

Asked first, because the broker's own client waits for seconds when it is away.
"""

import threading
import time
from functools import lru_cache
from typing import Final

import redis
from celery import current_app
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE_SECONDS: Final = 0.2
# So long an absence is remembered, so that a busy web process does not wait at every request.
ABSENCE_SECONDS: Final = 5.0

_absent_until = 0.0
_lock = threading.Lock()


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def broker_answers() -> bool:
    """Ping the broker; after a failure it counts as away for five seconds without being asked."""
    global _absent_until  # noqa: PLW0603 - one broker a process
    if time.monotonic() < _absent_until:
        return False
    try:
        _client().ping()
    except redis.RedisError:
        with _lock:
            _absent_until = time.monotonic() + ABSENCE_SECONDS
        return False
    return True


def queue_depths() -> dict[str, int]:
    """How many wake-ups wait in each queue. Raises redis.RedisError within a fifth of a second when the broker is away."""
    queues = [current_app.conf.task_default_queue]
    return {name: _client().llen(name) for name in queues}
