"""The embedded servers with real processes, real signals and real folders."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import redis

from leadsys.embedded import EmbeddedError, Endpoints, ensure_servers, servers_are_running, stop_servers
from leadsys.embedded.account import SHARED_PLACE
from leadsys.embedded.home import PROJECT, Home
from leadsys.embedded.postgres import Postgres
from leadsys.embedded.valkey import Valkey

pytestmark = [pytest.mark.fault, pytest.mark.slow]

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="leadsys-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(place: Path) -> Iterator[Home]:
    """A home whose path holds a space and an accent and is longer than a socket's path may be."""
    home = Home(place / "Início da casa" / ("muito longe " * 10).strip())
    yield home
    clear(home)


def clear(home: Home) -> None:
    """Stop the servers of a home, at once since the data goes too, and remove what they kept elsewhere."""
    with suppress(EmbeddedError):
        Postgres(home, home.read_state()).process.send(signal.SIGQUIT)
        stop_servers(home)
        cluster = home.read_state().cluster
        if cluster:
            shutil.rmtree(Path(cluster).parent, ignore_errors=True)


def postgres_pid(home: Home) -> int:
    pid = Postgres(home, home.read_state()).process.pid()
    assert pid is not None
    return pid


def valkey_pid(home: Home) -> int:
    pid = Valkey(home, home.read_state()).process.pid()
    assert pid is not None
    return pid


def remember(endpoints: Endpoints, text: str) -> None:
    with psycopg.connect(endpoints.database_owner_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text text)")
        connection.execute("INSERT INTO note VALUES (%s)", [text])


def remembered(endpoints: Endpoints) -> list[str]:
    with psycopg.connect(endpoints.database_owner_url) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY text")]


def test_servers_start_are_reused_and_stop(home: Home) -> None:
    endpoints = ensure_servers(home)
    assert servers_are_running(home)
    pids = postgres_pid(home), valkey_pid(home)
    remember(endpoints, "kept")
    assert redis.Redis.from_url(endpoints.redis_url).ping()

    assert ensure_servers(home) == endpoints
    assert (postgres_pid(home), valkey_pid(home)) == pids

    stop_servers(home)
    assert not servers_are_running(home)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(endpoints.database_url, connect_timeout=2)

    assert remembered(ensure_servers(home)) == ["kept"]


def test_the_roles_are_bound_by_row_security_and_the_application_owns_nothing(home: Home) -> None:
    endpoints = ensure_servers(home)
    with psycopg.connect(endpoints.database_owner_url) as owner:
        roles = owner.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles"
            " WHERE rolname LIKE 'leadsys%' ORDER BY rolname"
        ).fetchall()
        assert roles == [
            ("leadsys_app", False, False, False, False, True),
            ("leadsys_definer", False, True, False, False, False),
            ("leadsys_owner", False, False, False, True, True),
        ]
        collation = owner.execute(
            "SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
        assert collation == ("UTF8", "b", "C.UTF-8")
        owner.execute("CREATE TABLE guarded (id int)")
        owner.execute("ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        owner.execute("GRANT SELECT ON guarded TO leadsys_app, leadsys_definer")
        owner.execute("CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN 1")
        owner.execute("GRANT CREATE ON SCHEMA public TO leadsys_definer")
        owner.execute("ALTER FUNCTION counted() OWNER TO leadsys_definer")
    with psycopg.connect(endpoints.database_url) as app:
        for forbidden in ("CREATE TABLE mine (id int)", "SET ROLE leadsys_definer", "TRUNCATE guarded"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(forbidden)
            app.rollback()
        app.execute("CREATE TEMPORARY TABLE rows_to_import (id int)")


def test_a_wrong_password_is_refused(home: Home) -> None:
    endpoints = ensure_servers(home)
    port = home.read_state().postgres_port
    for user in ("postgres", "leadsys_app"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host="127.0.0.1", port=port, user=user, password="wrong", dbname="leadsys")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=home.read_state().valkey_port).ping()
    command_lines = subprocess.run(
        ["ps", "-eww", "-o", "args="], capture_output=True, text=True, check=True
    ).stdout
    assert str(port) in command_lines
    state = home.read_state()
    for secret in (state.superuser_password, state.valkey_password, state.app_password, endpoints.redis_url):
        assert secret not in command_lines


def test_killed_servers_come_back_with_what_was_committed(home: Home) -> None:
    endpoints = ensure_servers(home)
    remember(endpoints, "committed")
    os.kill(postgres_pid(home), signal.SIGKILL)
    os.kill(valkey_pid(home), signal.SIGKILL)
    again = ensure_servers(home)
    assert remembered(again) == ["committed"]
    assert redis.Redis.from_url(again.redis_url).ping()
    assert again == endpoints, "the ports are kept, so other processes find them"


def test_sessions_that_outlive_a_killed_server_do_not_keep_it_down(home: Home) -> None:
    endpoints = ensure_servers(home)
    remember(endpoints, "committed")

    def compute() -> None:
        with suppress(psycopg.OperationalError), psycopg.connect(endpoints.database_owner_url) as connection:
            connection.execute("SELECT count(*) FROM generate_series(1, 20000000000) a")

    busy = threading.Thread(target=compute)
    busy.start()
    time.sleep(0.5)
    os.kill(postgres_pid(home), signal.SIGKILL)
    assert remembered(ensure_servers(home)) == ["committed"]
    busy.join(10)
    assert not busy.is_alive()


def test_a_stale_pid_file_that_names_a_living_stranger_is_passed_over(home: Home) -> None:
    endpoints = ensure_servers(home)
    remember(endpoints, "committed")
    cluster = Postgres(home, home.read_state()).cluster
    kept = (cluster / "postmaster.pid").read_text()
    stop_servers(home)
    (cluster / "postmaster.pid").write_text("\n".join([str(os.getppid()), *kept.splitlines()[1:]]) + "\n")
    assert remembered(ensure_servers(home)) == ["committed"]


def test_a_port_that_was_taken_meanwhile_is_replaced(home: Home) -> None:
    endpoints = ensure_servers(home)
    remember(endpoints, "kept")
    ports = home.read_state().postgres_port, home.read_state().valkey_port
    stop_servers(home)
    with socket.create_server(("127.0.0.1", ports[0])), socket.create_server(("127.0.0.1", ports[1])):
        again = ensure_servers(home)
        assert remembered(again) == ["kept"]
        assert redis.Redis.from_url(again.redis_url).ping()
    assert home.read_state().postgres_port != ports[0]
    assert home.read_state().valkey_port != ports[1]


def test_many_starters_at_once_start_one_server(home: Home) -> None:
    code = "from leadsys.embedded import ensure_servers; print(ensure_servers())"
    environment = {**os.environ, "LEADSYS_HOME": str(home.folder)}
    starters = [
        subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, env=environment, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    said = {starter.communicate(timeout=120)[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0, 0, 0]
    assert len(said) == 1
    assert remembered_nothing(ensure_servers(home))


def remembered_nothing(endpoints: Endpoints) -> bool:
    with psycopg.connect(endpoints.database_url) as connection:
        return connection.execute("SELECT to_regclass('note')").fetchone() == (None,)


def test_two_homes_live_side_by_side(home: Home, place: Path) -> None:
    other = Home(place / "other")
    try:
        here, there = ensure_servers(home), ensure_servers(other)
        remember(here, "here")
        assert remembered_nothing(there)
        stop_servers(home)
        assert servers_are_running(other)
    finally:
        clear(other)


def test_a_copied_home_leaves_the_servers_of_the_original_alone(home: Home, place: Path) -> None:
    original = ensure_servers(home)
    remember(original, "both")
    stop_servers(home)
    copy = Home(place / "copy")
    shutil.copytree(home.folder, copy.folder)
    if IS_ROOT:
        owner = (home.folder / "postgres").stat()
        subprocess.run(
            ["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", str(copy.folder / "postgres")], check=True
        )
    original = ensure_servers(home)
    try:
        copied = ensure_servers(copy)
        remember(copied, "copy only")
        assert remembered(original) == ["both"]
        assert remembered(copied) == ["both", "copy only"]
        stop_servers(copy)
        assert servers_are_running(home)
    finally:
        clear(copy)


def test_an_interrupted_first_start_is_begun_anew(home: Home) -> None:
    home.make()
    (home.folder / "postgres.new").mkdir()
    (home.folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    (home.folder / "postgres.password").write_text("left behind")
    assert remembered_nothing(ensure_servers(home))
    assert not (home.folder / "postgres.new").exists()
    assert not (home.folder / "postgres.password").exists()


def test_data_of_another_major_version_is_refused_and_left_alone(home: Home) -> None:
    ensure_servers(home)
    stop_servers(home)
    cluster = Postgres(home, home.read_state()).cluster
    (cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 17; this LeadSys runs PostgreSQL 18"):
        ensure_servers(home)
    (cluster / "PG_VERSION").write_text("18\n")
    ensure_servers(home)


def test_a_folder_that_holds_something_else_is_not_written_over(home: Home) -> None:
    (home.folder / "postgres").mkdir(parents=True)
    (home.folder / "postgres" / "thesis.txt").write_text("years of work")
    with pytest.raises(EmbeddedError, match="is not a PostgreSQL data folder"):
        ensure_servers(home)
    assert (home.folder / "postgres" / "thesis.txt").read_text() == "years of work"


def test_erasing_deletes_the_data_wherever_it_is(home: Home) -> None:
    ensure_servers(home)
    cluster = Postgres(home, home.read_state()).cluster
    assert (cluster / "PG_VERSION").exists()
    environment = {**os.environ, "LEADSYS_HOME": str(home.folder)}
    subprocess.run(
        [sys.executable, "-m", "leadsys.embedded.stop", "--erase"], cwd=PROJECT, env=environment, check=True
    )
    assert not cluster.exists()
    assert not home.folder.exists()


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_told(place: Path) -> None:
    place.chmod(0o500)
    with pytest.raises(EmbeddedError, match="LEADSYS_HOME"):
        ensure_servers(Home(place / "home"))
    place.chmod(0o700)


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 20 MB, too small for a data folder."""
    folder = place / "disk"
    folder.mkdir()
    mounted = (
        IS_ROOT
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=20m,mode=755", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        ).returncode
    )
    if not mounted:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_and_mended_by_room(small_disk: Path) -> None:
    home = Home(small_disk / "home")
    with pytest.raises(EmbeddedError, match="No space is left"):
        ensure_servers(home)
    subprocess.run(["mount", "-o", "remount,size=500m", str(small_disk)], check=True)
    try:
        assert remembered_nothing(ensure_servers(home))
    finally:
        clear(home)


def test_a_read_only_disk_is_told(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(EmbeddedError, match="read-only file system"):
        ensure_servers(Home(small_disk / "home"))


@pytest.mark.skipif(not IS_ROOT, reason="only root runs PostgreSQL as somebody else")
def test_root_opens_nobody_s_folders_for_postgresql(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    home = Home(closed / "home")
    try:
        endpoints = ensure_servers(home)
        remember(endpoints, "kept")
        assert closed.stat().st_mode & 0o777 == 0o700
        cluster = Path(home.read_state().cluster)
        assert cluster.is_relative_to(SHARED_PLACE)
        assert cluster.stat().st_mode & 0o777 == 0o700
        assert cluster.stat().st_uid != 0
        os.kill(postgres_pid(home), signal.SIGKILL)
        assert remembered(ensure_servers(home)) == ["kept"]
    finally:
        clear(home)


@pytest.mark.skipif(not IS_ROOT, reason="only root can act for somebody else")
def test_root_leaves_the_home_of_an_ordinary_user_usable_for_them(home: Home) -> None:
    home.make()
    os.chown(home.folder, 12345, 12345)
    ensure_servers(home)
    assert {path.stat().st_uid for path in home.folder.iterdir() if path.is_file()} == {12345}
