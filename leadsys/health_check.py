"""Whether this container does its work: ``python -m leadsys.health_check web``, ``worker`` or ``beat``; exit 0 or 1.

The web server is asked for /readyz. Worker and beat are looked up in the table in which they say every ten seconds that they
live. Light on purpose (no Django): it runs twice a minute beside each of them.
"""

import http.client
import os
import socket
import sys
from urllib.parse import urlsplit

import psycopg

# They say so every ten seconds (core.pulse).
LIVING_SECONDS = 45


def web_fault() -> str:
    """What is wrong with the web server on this machine; empty if nothing is."""
    host = urlsplit(os.environ.get("LEADSYS_PUBLIC_URL", "")).hostname or "localhost"
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8000")), timeout=8)
    try:
        connection.request("GET", "/readyz", headers={"Host": host})
        answer = connection.getresponse()
        said = answer.read(2000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"{answer.status} {said}"


def pulse_fault(role: str) -> str:
    """What is wrong with the worker or beat of this host; empty if nothing is."""
    try:
        with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as connection:
            found = connection.execute(
                "SELECT max(seen_at) > clock_timestamp() - make_interval(secs => %s) FROM core_processpulse"
                " WHERE role = %s AND host = %s",
                [LIVING_SECONDS, role, socket.gethostname()[:200]],
            ).fetchone()
    except psycopg.Error as error:
        return f"{type(error).__name__}: {error}"
    return (
        ""
        if found is not None and found[0]
        else f"no {role} of this host has been seen for {LIVING_SECONDS} s"
    )


def main() -> None:
    """Exit with 0, or with 1 and what is wrong."""
    if len(sys.argv) != 2 or sys.argv[1] not in {"web", "worker", "beat"}:
        sys.exit("usage: python -m leadsys.health_check web|worker|beat")
    role = sys.argv[1]
    if fault := web_fault() if role == "web" else pulse_fault(role):
        sys.exit(fault)


if __name__ == "__main__":
    main()
