"""The embedded PostgreSQL: its data folder, its start and stop, its recovery after a crash, its roles."""

import hashlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from leadsys.embedded.account import Account, find_account, place_for, reachable_programs
from leadsys.embedded.errors import EmbeddedError, folder_errors_explained, folder_is_full
from leadsys.embedded.home import PROJECT, Home, State
from leadsys.embedded.processes import DetachedProcess, choose_port, last_lines
from leadsys.embedded.programs import POSTGRES_MAJOR, Programs, find_programs

DATABASE = "leadsys"
SUPERUSER = "postgres"
START_PATIENCE_SECONDS = 180.0
STOP_PATIENCE_SECONDS = 30.0
ANSWER_PATIENCE_SECONDS = 20.0

# The shortest question of the protocol: may we speak TLS? The answer N needs a session process but no login.
SSL_REQUEST = struct.pack("!ii", 8, 80877103)

# For a laptop with two cores beside everything else that runs there.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "synchronous_commit": "on",
    "jit": "off",
    "random_page_cost": "1.1",
    "autovacuum_max_workers": "2",
    "io_method": "sync",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "cluster_name": "leadsys",
}


@dataclass
class Postgres:
    """The PostgreSQL of one home. Every method that changes something is called under the home's lock."""

    home: Home
    state: State

    @property
    def process(self) -> DetachedProcess:
        """The server's process."""
        return DetachedProcess(self.home.folder / "postgres.alive", self.home.folder / "postgres.pid")

    @property
    def cluster(self) -> Path:
        """The data folder."""
        return Path(self.state.cluster) if self.state.cluster else self.home.folder / "postgres"

    def is_running(self) -> bool:
        """Whether the server itself lives; its orphaned children don't count."""
        return self.process.pid() is not None

    def ensure(self) -> None:
        """Start the server unless it runs. Raises EmbeddedError when it can't."""
        if self._is_serving():
            self._wait_until_ready(None)
            return
        programs, account = find_programs(), find_account(cluster=self.cluster)
        if account is not None:
            programs = reachable_programs(account, programs)
        self._ensure_cluster(programs, account)
        self._end_orphans()
        # The lock that all processes of this folder hold is free, so whatever this file says is not true.
        with folder_errors_explained(self.cluster):
            (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        for _ in range(4):
            self.state.postgres_port = choose_port(self.state.postgres_port)
            self.home.write_state(self.state)
            if self._start(programs, account):
                return
            self.state.postgres_port = 0
        raise EmbeddedError(
            f"PostgreSQL found no free port on 127.0.0.1. See {self.home.logs / 'postgres.log'}."
        )

    def ensure_roles(self) -> None:
        """Make the roles and the database unless this home has them as the SQL file describes them now."""
        sql = (PROJECT / "tenancy" / "sql" / "roles.sql").read_text("utf-8")
        digest = hashlib.sha256(sql.encode()).hexdigest()
        if self.state.roles_made_by == digest:
            return
        with self._connect(SUPERUSER) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
        with self._connect(DATABASE) as connection:
            for setting, value in {
                "leadsys.owner_password": self.state.owner_password,
                "leadsys.app_password": self.state.app_password,
                "leadsys.makes_databases": "on",
            }.items():
                connection.execute("SELECT set_config(%s, %s, false)", [setting, value])
            connection.execute(sql.encode())
        self.state.roles_made_by = digest
        self.home.write_state(self.state)

    def stop(self) -> None:
        """End the server: sessions are broken off, data is written, and at the next start nothing needs recovery."""
        for number, patience in (
            (signal.SIGINT, STOP_PATIENCE_SECONDS),
            (signal.SIGQUIT, 5.0),
            (signal.SIGKILL, 1.0),
        ):
            self.process.send(number)
            if self.process.wait_until_gone(seconds=patience):
                return
        self._end_orphans()

    def url(self, role: str, password: str) -> str:
        """Address of the database for a role."""
        return f"postgresql://{role}:{password}@127.0.0.1:{self.state.postgres_port}/{DATABASE}"

    def _is_serving(self) -> bool:
        """Whether a living server answers. A process that was killed a moment ago may still look alive, so it is asked."""
        deadline = time.monotonic() + ANSWER_PATIENCE_SECONDS
        while self.is_running():
            if self._answers():
                return True
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"PostgreSQL in {self.cluster} lives but does not answer. End it (process {self.process.pid()}) and "
                    f"try again; see {self.home.logs / 'postgres.log'}."
                )
            time.sleep(0.02)
        return False

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.state.postgres_port), timeout=5.0) as connection:
                connection.sendall(SSL_REQUEST)
                return connection.recv(1) == b"N"
        except OSError:
            return False

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.state.postgres_port,
            user=SUPERUSER,
            password=self.state.superuser_password,
            dbname=database,
            autocommit=True,
            connect_timeout=20,
        )

    def _ensure_cluster(self, programs: Programs, account: Account | None) -> None:
        with folder_errors_explained(self.cluster):
            try:
                made_by = (self.cluster / "PG_VERSION").read_text("ascii").strip()
            except FileNotFoundError:
                made_by = ""
        if not made_by:
            self._make_cluster(programs, account)
        elif made_by != str(POSTGRES_MAJOR):
            raise EmbeddedError(
                f"The data in {self.cluster} was made by PostgreSQL {made_by}; this LeadSys runs PostgreSQL "
                f"{POSTGRES_MAJOR}. With the LeadSys that made it run: manage.py backup FILE. Then here, with LEADSYS_HOME set "
                f"to a folder that does not exist yet: manage.py restore FILE. To start with empty data instead, set "
                f"LEADSYS_HOME to another folder, or remove {self.home.folder}."
            )

    def _make_cluster(self, programs: Programs, account: Account | None) -> None:
        """Run initdb beside the final place and move the result there, so that a half-made folder is never used."""
        if self.cluster.exists() and any(self.cluster.iterdir()):
            raise EmbeddedError(
                f"{self.cluster} holds something that is not a PostgreSQL data folder. Move it away, or set LEADSYS_HOME "
                f"to another folder."
            )
        place = self.home.folder
        if account is not None:
            place = place_for(account, home=self.home.folder, instance=self.state.instance)
        new, password_file = place / "postgres.new", place / "postgres.password"
        with folder_errors_explained(place):
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(mode=0o700)
            password_file.unlink(missing_ok=True)
            descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(self.state.superuser_password)
            if account is not None:
                os.chown(new, account.uid, account.gid)
                os.chown(password_file, account.uid, account.gid)
        try:
            self._run_initdb(programs, account, new=new, password_file=password_file)
        finally:
            password_file.unlink(missing_ok=True)
        with folder_errors_explained(place):
            final = place / "postgres"
            if final.exists():
                final.rmdir()
            new.rename(final)
        self.state.cluster = "" if place == self.home.folder else str(final)
        self.state.roles_made_by = ""
        self.home.write_state(self.state)

    def _run_initdb(
        self, programs: Programs, account: Account | None, *, new: Path, password_file: Path
    ) -> None:
        command = [
            str(programs.initdb),
            f"--pgdata={new}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
        ]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        done = subprocess.run(
            command,
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=() if account else None,
        )
        if done.returncode != 0:
            shutil.rmtree(new, ignore_errors=True)
            if "No space left on device" in done.stdout or "quota" in done.stdout:
                raise folder_is_full(new.parent)
            raise EmbeddedError(f"PostgreSQL could not make its data folder {new}:\n{done.stdout.strip()}")

    def _start(self, programs: Programs, account: Account | None) -> bool:
        """Start and wait; False when another program took the port in between."""
        log = self.home.log_file("postgres")
        began_at = log.stat().st_size if log.exists() else 0
        command = [str(programs.postgres), "-D", str(self.cluster), "-p", str(self.state.postgres_port)]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        child = self.process.start(
            command, log=log, folder=Path("/"), environment=_environment(), account=account
        )
        if self._wait_until_ready(child):
            return True
        with log.open("rb") as file:
            file.seek(began_at)
            said = file.read().decode("utf-8", "replace")
        if "could not bind" in said or "Address already in use" in said:
            return False
        if "No space left on device" in said:
            raise folder_is_full(self.cluster)
        raise EmbeddedError(f"PostgreSQL did not start. The end of {log}:\n{last_lines(log)}")

    def _wait_until_ready(self, child: "subprocess.Popen[bytes] | None") -> bool:
        """Wait until sessions are accepted; False when the server has ended instead."""
        deadline = time.monotonic() + START_PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with suppress(FileNotFoundError):
                lines = (self.cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
                if len(lines) > 7 and lines[7].strip() == "ready":
                    return True
            if child is None and not self.is_running():
                return False
            if child is not None and child.poll() is not None:
                return False
            time.sleep(0.02)
        raise EmbeddedError(
            f"PostgreSQL has been starting for {START_PATIENCE_SECONDS:.0f} seconds; it may be recovering a large "
            f"database. Try again later, or see {self.home.logs / 'postgres.log'}."
        )

    def _end_orphans(self) -> None:
        """After the server was killed its sessions may go on for a while; they would keep a new server from starting."""
        if self.process.wait_until_gone(seconds=1.0):
            return
        folder = str(self.cluster.resolve())
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.name() == "postgres" and process.cwd() == folder:
                    process.kill()
        if not self.process.wait_until_gone(seconds=20.0):
            raise EmbeddedError(
                f"A PostgreSQL of {self.cluster} was killed, but some of its processes don't end. End the processes named "
                f"postgres that hold {self.process.alive} open, and try again."
            )


def _environment() -> dict[str, str]:
    return {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": "UTC"}
