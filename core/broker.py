"""Whether the broker can take a wake-up now. Asked first, because the broker's own client waits for seconds when it is away."""

import threading
import time
from functools import lru_cache
from typing import Final

import redis
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
