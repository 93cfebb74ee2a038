"""PostgreSQL and Valkey from Python wheels, for laptops, trials and tests: no Docker, no root, no system packages.

``provide_environment()`` is the one call that everything starts with: ``manage.py``, the web server, the worker, the tests. When
``DATABASE_URL`` is set it does nothing, and servers of your own are used.

The servers are started detached and stay until ``make stop``, or until the ``make run`` that started them ends, so a second
command starts in milliseconds.
"""

from leadsys.embedded.errors import EmbeddedError
from leadsys.embedded.servers import (
    Endpoints,
    ensure_servers,
    find_client_program,
    find_superuser_url,
    provide_environment,
    servers_are_running,
    stop_servers,
)

__all__ = [
    "EmbeddedError",
    "Endpoints",
    "ensure_servers",
    "find_client_program",
    "find_superuser_url",
    "provide_environment",
    "servers_are_running",
    "stop_servers",
]
