"""A backup of the whole database in one file, and the way back into an empty one, by PostgreSQL's own pg_dump and pg_restore.

Row security is forced on everybody but superusers and roles that may bypass it, so neither of the application's roles can
dump. ``DATABASE_ADMIN_URL`` names one that can: a superuser; for backups ``leadsys_backup`` is enough (tenancy/sql/roles.sql).
For the embedded servers it is their own superuser.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from leadsys.embedded import EmbeddedError, find_client_program


class BackupError(RuntimeError):
    """The backup or the restoration did not come to its end. The message says why and how to mend it."""


@dataclass(frozen=True)
class AdminAddress:
    """A database and a role that may read, or make, all of it."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """What libpq reads; a password on a command line would be seen by every user of the machine."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"postgres", "postgresql"}:
            raise BackupError("DATABASE_ADMIN_URL must begin with postgresql://")
        query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
        found = {
            "PGHOST": unquote(query.pop("host", parts.hostname or "")),
            "PGPORT": str(parts.port or query.pop("port", "")),
            "PGUSER": unquote(parts.username or ""),
            "PGPASSWORD": unquote(parts.password or ""),
            "PGDATABASE": unquote(parts.path.lstrip("/")),
            "PGSSLMODE": query.pop("sslmode", ""),
            "PGSSLROOTCERT": unquote(query.pop("sslrootcert", "")),
            "PGCONNECT_TIMEOUT": "10",
        }
        return {name: value for name, value in found.items() if value}

    @property
    def database(self) -> str:
        """The database's name."""
        return unquote(urlsplit(self.url).path.lstrip("/"))

    def server_major(self) -> int:
        """The server's major version. Raises BackupError if it can't be reached."""
        try:
            with psycopg.connect(self.url, connect_timeout=10) as connection:
                return connection.info.server_version // 10000
        except psycopg.Error as error:
            raise BackupError(f"The database does not let DATABASE_ADMIN_URL in: {error}") from error


def back_up(*, admin: AdminAddress, target: Path, now: datetime) -> Path:
    """Dump everything as of one instant into ``target`` (a file, or a folder that gets ``leadsys-….dump``); returns the file.

    Nobody is kept from working meanwhile. The file appears when it is whole, readable by its owner only. Raises BackupError.
    """
    if target.is_dir():
        target = target / f"leadsys-{now:%Y%m%d-%H%M%S}.dump"
    if target.exists():
        raise BackupError(f"{target} exists already. Name another file.")
    if not target.parent.is_dir():
        raise BackupError(f"There is no folder {target.parent}.")
    half = target.with_name(f".{target.name}.part")
    try:
        half.unlink(missing_ok=True)
        half.touch(mode=0o600)
    except OSError as error:
        raise BackupError(f"{target} can't be written: {error.strerror}.") from error
    try:
        run(admin, "pg_dump", ["--format=custom", "--no-password", f"--file={half}"])
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
    return target


def restore(*, admin: AdminAddress, source: Path) -> None:
    """Bring a backup into a database that has the roles and no tables, all of it or nothing. Raises BackupError."""
    if not source.is_file():
        raise BackupError(f"There is no file {source}.")
    with psycopg.connect(admin.url, connect_timeout=10, autocommit=True) as connection:
        role = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        if role is None or not role[0]:
            raise BackupError(
                "Only a superuser can restore: the tables belong to leadsys_owner. Name one in DATABASE_ADMIN_URL."
            )
        missing = connection.execute(
            "SELECT string_agg(name, ', ') FROM unnest(%s::text[]) name WHERE to_regrole(name) IS NULL",
            [["leadsys_owner", "leadsys_app", "leadsys_definer"]],
        ).fetchone()
        if missing is not None and missing[0]:
            raise BackupError(f"The roles {missing[0]} are missing. Make them first: tenancy/sql/init.sql")
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        if tables is not None and tables[0]:
            raise BackupError(f"The database {admin.database} has tables already. Restore into an empty one.")
    run(
        admin,
        "pg_restore",
        [
            "--exit-on-error",
            "--single-transaction",
            "--no-password",
            f"--dbname={admin.database}",
            str(source),
        ],
    )
    with psycopg.connect(admin.url, connect_timeout=10, autocommit=True) as connection:
        # A dump holds no statistics, and without them the first queries read whole tables.
        connection.execute("ANALYZE")


def run(admin: AdminAddress, program: str, arguments: Sequence[str]) -> None:
    """Run one of PostgreSQL's programs against the database. Raises BackupError with what it said."""
    found = find_program(program, at_least=admin.server_major())
    environment = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "/usr/bin:/bin"), **admin.environment}
    done = subprocess.run(
        [str(found), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BackupError(f"{program} failed: {done.stderr.strip() or done.returncode}")


def find_program(program: str, *, at_least: int) -> Path:
    """The program of the machine if it is new enough for the server (it may speak TLS), else the one of the embedded wheel."""
    if (on_path := shutil.which(program)) is not None and _major(on_path) >= at_least:
        return Path(on_path)
    try:
        embedded = find_client_program(program)
    except EmbeddedError:
        embedded = None
    if embedded is None or _major(str(embedded)) < at_least:
        raise BackupError(
            f"The server is PostgreSQL {at_least}, and there is no {program} as new as it is. Install its client programs."
        )
    return embedded


def _major(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+", said)
    return int(found[0]) if found else 0
