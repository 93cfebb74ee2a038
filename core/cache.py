"""The cache counts attempts for rate limits. Losing it must not lock anybody out."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import structlog
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE_SECONDS: Final = 0.2
# So long an absence is remembered, so that a busy process does not wait at every request.
ABSENCE_SECONDS: Final = 5.0


class Absence:
    """Whether the server was away a moment ago, and how much was let through uncounted meanwhile; one a process."""

    def __init__(self) -> None:
        self._until = 0.0
        self._is_away = False
        self._uncounted = 0
        self._lock = threading.Lock()

    def is_fresh(self) -> bool:
        """Whether it is too early to ask again; whoever is told so goes on uncounted."""
        if time.monotonic() >= self._until:
            return False
        with self._lock:
            self._uncounted += 1
        return True

    def began(self, error: Exception) -> None:
        """The server did not answer; said once, however long it lasts."""
        with self._lock:
            was_away, self._is_away = self._is_away, True
            self._until = time.monotonic() + ABSENCE_SECONDS
            self._uncounted += 1
        if not was_away:
            log.warning("cache away", error=str(error))

    def ended(self) -> None:
        """The server answered."""
        if self._is_away:
            with self._lock:
                uncounted, self._uncounted, self._is_away = self._uncounted, 0, False
            log.warning("cache back", uncounted=uncounted)


absence: Final = Absence()


class ForgivingRedisCache(RedisCache):
    """Django's Redis cache that behaves as empty while the server is away, and counts in one round trip."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._options: dict[str, Any] = {
            "socket_timeout": PATIENCE_SECONDS,
            "socket_connect_timeout": PATIENCE_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        } | self._options

    def count(self, lifetimes: Mapping[str, int]) -> dict[str, int]:
        """Add one to each counter and say where they stand; a new one lasts that many seconds. Empty while away."""

        def ask() -> dict[str, int]:
            client = self._cache.get_client(write=True)  # type: ignore[attr-defined]
            with client.pipeline(transaction=False) as pipeline:
                for key, seconds in lifetimes.items():
                    pipeline.incr(self.make_and_validate_key(key))
                    pipeline.expire(self.make_and_validate_key(key), seconds, nx=True)
                return dict(zip(lifetimes, pipeline.execute()[::2], strict=True))

        return self._forgive(ask, {})

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._forgive(lambda: super(ForgivingRedisCache, self).get(key, default, version), default)

    def set(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        self._forgive(lambda: super(ForgivingRedisCache, self).set(key, value, *args, **kwargs), None)

    def add(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return self._forgive(
            lambda: super(ForgivingRedisCache, self).add(key, value, *args, **kwargs), value is not None
        )

    def delete(self, key: Any, version: int | None = None) -> Any:
        return self._forgive(lambda: super(ForgivingRedisCache, self).delete(key, version), otherwise=False)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> Any:
        return self._forgive(lambda: super(ForgivingRedisCache, self).incr(key, delta, version), delta)

    def touch(self, key: Any, *args: Any, **kwargs: Any) -> Any:
        return self._forgive(
            lambda: super(ForgivingRedisCache, self).touch(key, *args, **kwargs), otherwise=False
        )

    def _forgive(self, ask: Callable[[], T], otherwise: T) -> T:
        if absence.is_fresh():
            return otherwise
        try:
            answer = ask()
        except RedisError as error:
            absence.began(error)
            return otherwise
        absence.ended()
        return answer
