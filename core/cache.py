"""The cache counts attempts for rate limits. Losing it must not lock anybody out."""

from typing import Any

import structlog
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)


class ForgivingRedisCache(RedisCache):
    """Django's Redis cache that behaves as empty while the server is away."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._forgive("get", default, key, default, version)

    def set(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        self._forgive("set", None, key, value, *args, **kwargs)

    def add(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return self._forgive("add", value is not None, key, value, *args, **kwargs)

    def delete(self, key: Any, version: int | None = None) -> Any:
        return bool(self._forgive("delete", None, key, version))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> Any:
        return self._forgive("incr", delta, key, delta, version)

    def touch(self, key: Any, *args: Any, **kwargs: Any) -> Any:
        return bool(self._forgive("touch", None, key, *args, **kwargs))

    def _forgive(self, method: str, otherwise: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(super(), method)(*args, **kwargs)
        except RedisError as error:
            log.warning("cache away", error=str(error))
            return otherwise
