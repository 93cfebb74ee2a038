"""PostgreSQL and Valkey started by hand from the wheels' programs, as an operator's own servers would be: nothing of
``leadsys.embedded``'s finding and stopping, and roles made by the init script alone."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from leadsys.embedded.account import Account, find_account, reachable_programs
from leadsys.embedded.processes import choose_port
from leadsys.embedded.programs import Programs, find_programs

ROOT = Path(__file__).parents[2]


class OwnPostgres:
    """A server with an empty database, initialised and started with the arguments given."""

    def __init__(
        self,
        folder: Path,
        *,
        initdb: Sequence[str],
        settings: Sequence[str] = (),
        password: str,
        database: str = "leadsys",
    ) -> None:
        self.folder, self.password, self.database = folder, password, database
        self.port = choose_port(0)
        self.account: Account | None = find_account(cluster=folder / "data")
        self.programs: Programs = find_programs()
        if self.account is not None:
            self.programs = reachable_programs(self.account, self.programs)
            os.chown(folder, self.account.uid, self.account.gid)
        secret = folder / "password"
        secret.write_text(password, "ascii")
        secret.chmod(0o644)
        done = self._as_account(
            [
                str(self.programs.initdb),
                f"--pgdata={folder / 'data'}",
                "--username=postgres",
                *initdb,
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
            ]
        )
        assert done.returncode == 0, done.stdout
        secret.unlink()
        command = [str(self.programs.postgres), "-D", str(folder / "data"), "-p", str(self.port), *settings]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (folder / "postgres.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd="/", stdout=log, stderr=log, start_new_session=True, **self._user()
            )
        self._wait()
        with psycopg.connect(self.superuser_url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')

    def _user(self) -> dict[str, Any]:
        if self.account is None:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": ()}

    def _as_account(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self._user(),
        )
        return done

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.superuser_url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "postgres.log").read_text("utf-8")
                assert time.monotonic() < until
                time.sleep(0.1)
            else:
                return

    def superuser_url(self, database: str = "") -> str:
        """The address as the superuser."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database or self.database}"

    def url(self, role: str, password: str) -> str:
        """The address as a role."""
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{self.database}"

    def make_roles(self, environment: Mapping[str, str]) -> None:
        """Run every script of tenancy/sql as the image of PostgreSQL runs those in its init folder."""
        for script in sorted((ROOT / "tenancy" / "sql").glob("*.sql")):
            command = [str(self.programs.postgres.with_name("psql")), "-v", "ON_ERROR_STOP=1", "--no-psqlrc"]
            command += ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", self.database]
            done = subprocess.run(
                [*command, "-f", str(script)],
                env={"PGPASSWORD": self.password, "PATH": "/usr/bin:/bin", **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert not any(secret and secret in done.stdout for secret in environment.values())

    def stop(self) -> None:
        """End the server and delete its data."""
        self.process.terminate()
        self.process.send_signal(2)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def valkey_folder() -> Path:
    """Where valkey-server is."""
    return find_programs().valkey.parent
