"""Both servers together: started, found, stopped, and handed to Django and Celery as three addresses."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from leadsys.embedded.home import Home, find_home
from leadsys.embedded.postgres import SUPERUSER, Postgres
from leadsys.embedded.programs import find_programs
from leadsys.embedded.valkey import Valkey


@dataclass(frozen=True)
class Endpoints:
    """Where the servers answer: the database as the application role and as its owner, and the broker."""

    database_url: str
    database_owner_url: str
    redis_url: str


# For commands that talk to no server: valid addresses at which nobody answers.
NOWHERE = Endpoints(
    database_url="postgresql://leadsys_app:none@127.0.0.1:1/leadsys",
    database_owner_url="postgresql://leadsys_owner:none@127.0.0.1:1/leadsys",
    redis_url="redis://127.0.0.1:1/0",
)


def ensure_servers(home: Home | None = None) -> Endpoints:
    """Start whichever of PostgreSQL and Valkey doesn't run, and say where they answer.

    Safe to call from any number of processes at once. Raises EmbeddedError with a message that says how to mend it.
    """
    home = home or find_home()
    start_servers(home)
    return endpoints_of(home)


def start_servers(home: Home) -> None:
    """Start whichever of the home's servers doesn't run, make the roles and the database at need. Raises EmbeddedError."""
    with home.lock():
        state = home.ensure_state()
        postgres, valkey = Postgres(home, state), Valkey(home, state)
        postgres.ensure()
        valkey.ensure(cluster=postgres.cluster)
        postgres.ensure_roles()


def endpoints_of(home: Home) -> Endpoints:
    """Where the home's servers answer, or last answered."""
    state = home.read_state()
    postgres = Postgres(home, state)
    return Endpoints(
        database_url=postgres.url("leadsys_app", state.app_password),
        database_owner_url=postgres.url("leadsys_owner", state.owner_password),
        redis_url=Valkey(home, state).url,
    )


def find_superuser_url(database_url: str) -> str | None:
    """The same database as the superuser of the embedded server, if it is one of this home's; None for any other server."""
    home = find_home()
    if not (home.folder / "servers.json").exists():
        return None
    state = home.read_state()
    asked, ours = (
        urlsplit(database_url),
        urlsplit(Postgres(home, state).url(SUPERUSER, state.superuser_password)),
    )
    if (asked.hostname, asked.port) != (ours.hostname, ours.port):
        return None
    return ours._replace(path=asked.path).geturl()


def find_client_program(name: str) -> Path:
    """A program of the embedded PostgreSQL's, such as pg_dump, that runs as anybody. Raises EmbeddedError."""
    return find_programs().postgres.with_name(name)


def environment_for(home: Home) -> dict[str, str]:
    """The environment variables by which Django and Celery find the home's servers and sign with the home's own key."""
    return _as_environment(endpoints_of(home), secret_key=home.read_state().secret_key)


def servers_are_running(home: Home | None = None) -> bool:
    """Whether both servers of the home live."""
    home = home or find_home()
    if not (home.folder / "servers.json").exists():
        return False
    state = home.read_state()
    return Postgres(home, state).is_running() and Valkey(home, state).is_running()


def stop_servers(home: Home | None = None) -> None:
    """Stop both servers if they run. Their data stays."""
    home = home or find_home()
    if not (home.folder / "servers.json").exists():
        return
    with home.lock():
        state = home.read_state()
        Valkey(home, state).stop()
        Postgres(home, state).stop()


def provide_environment(*, start: bool = True) -> None:
    """Set DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL unless DATABASE_URL is set already; with them LEADSYS_SECRET_KEY.

    Starts the embedded servers for that, except with ``start=False`` or ``LEADSYS_NO_EMBEDDED=1``: then the addresses lead
    nowhere, which is enough for commands that talk to no server. Raises EmbeddedError.
    """
    if os.environ.get("DATABASE_URL"):
        return
    if not start or os.environ.get("LEADSYS_NO_EMBEDDED") == "1":
        found = _as_environment(NOWHERE, secret_key="signs-nothing-that-anyone-trusts")  # noqa: S106
    else:
        home = find_home()
        start_servers(home)
        found = environment_for(home)
    os.environ.update(found)


def _as_environment(endpoints: Endpoints, *, secret_key: str) -> dict[str, str]:
    return {
        "DATABASE_URL": endpoints.database_url,
        "DATABASE_OWNER_URL": endpoints.database_owner_url,
        "REDIS_URL": endpoints.redis_url,
        "LEADSYS_SECRET_KEY": os.environ.get("LEADSYS_SECRET_KEY") or secret_key,
    }
