"""docker-compose.yml and Dockerfile: what they promise, and their very command lines run without Docker.

PostgreSQL is initialised and started as the file says, the roles come from the same init script, and migrations, web server,
worker, beat and health checks are the file's own words with its environment: only host names, ports and folders differ.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPMessage
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest

from leadsys.embedded.processes import choose_port
from tests.operations.compose import (
    ROOT,
    Image,
    MissingValue,
    copy_build_context,
    read_compose,
    read_env_file,
)
from tests.operations.servers import OwnPostgres, valkey_folder

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("operations")]

APP_SERVICES = ["migrate", "web", "worker", "beat", "backup"]
HOST = "leads.example.com"
PATIENCE_SECONDS = 90.0


def filled_in() -> dict[str, str]:
    """.env.example as an operator fills it in."""
    values = read_env_file(ROOT / ".env.example")
    for name in ("LEADSYS_SECRET_KEY", "POSTGRES_PASSWORD", "LEADSYS_OWNER_PASSWORD", "LEADSYS_APP_PASSWORD"):
        values[name] = secrets.token_hex(32)
    return values | {"VALKEY_PASSWORD": secrets.token_hex(32)}


def test_nothing_starts_without_the_secrets() -> None:
    values = read_env_file(ROOT / ".env.example")
    with pytest.raises(MissingValue):
        read_compose(values)
    for name in ("LEADSYS_SECRET_KEY", "LEADSYS_APP_PASSWORD", "VALKEY_PASSWORD", "POSTGRES_PASSWORD"):
        with pytest.raises(MissingValue, match=name):
            read_compose(filled_in() | {name: ""})


def test_every_variable_of_the_file_stands_in_the_example() -> None:
    names = set(read_env_file(ROOT / ".env.example"))
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    used = {part.split("}")[0].split(":")[0] for part in text.split("${")[1:]}
    assert used == names


def test_only_migrations_know_the_owner_and_only_backups_the_superuser() -> None:
    values = filled_in()
    services = read_compose(values)
    for secret, holders in (
        ("LEADSYS_OWNER_PASSWORD", {"migrate", "postgres"}),
        ("POSTGRES_PASSWORD", {"backup", "postgres"}),
        ("LEADSYS_SECRET_KEY", set(APP_SERVICES)),
    ):
        found = {name for name, service in services.items() if values[secret] in json.dumps(service)}
        assert found == holders
    # Command lines are seen by every user of the machine.
    for service in services.values():
        words = json.dumps(service.get("command", []))
        assert not any(value in words for name, value in values.items() if "PASSWORD" in name and value)


def test_processes_run_without_rights_on_file_systems_that_they_cannot_write_to() -> None:
    services = read_compose(filled_in())
    assert set(services) == {"postgres", "valkey", *APP_SERVICES}
    assert all(service["read_only"] for service in services.values())
    for name in APP_SERVICES:
        assert services[name]["cap_drop"] == ["ALL"]
        assert "user" not in services[name]
    assert Image().user == "10001:10001"
    for name in ("postgres", "valkey", "web", "worker", "beat"):
        assert services[name]["restart"] == "unless-stopped"
    assert [name for name, service in services.items() if "ports" in service] == ["web"]
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]
    for name in ("web", "worker", "beat"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_docker_reads_the_file_as_these_tests_do(tmp_path: Path) -> None:
    command = compose_program()
    if command is None:
        pytest.skip("NOT CHECKED: docker compose is not installed here, so nobody has asked it what it reads")
    values = filled_in()
    env_file = tmp_path / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), "utf-8")
    done = subprocess.run(
        [*command, "--env-file", str(env_file), "--profile", "tools", "config"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name not in values},
    )
    assert done.returncode == 0, done.stderr
    import yaml

    said = yaml.safe_load(done.stdout)["services"]
    ours = read_compose(values)
    assert set(said) == set(ours)
    for name, service in ours.items():
        environment = {key: str(value) for key, value in service["environment"].items()}
        assert {key: str(value) for key, value in said[name]["environment"].items()} == environment
        assert (
            said[name].get("command") == service.get("command")
            or [word.replace("$$", "$") for word in said[name]["command"]] == service["command"]
        )


def compose_program() -> list[str] | None:
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]) is None:
            continue
        done = subprocess.run([*words, "version"], capture_output=True, check=False)
        if done.returncode == 0:
            return words
    return None


def test_the_image_installs_the_hashed_lock_and_holds_no_address_of_a_registry() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8") + (ROOT / "docker-compose.yml").read_text("utf-8")
    assert "--require-hashes -r requirements.txt" in text
    assert "--index-url" not in text
    assert "://" not in (ROOT / "Dockerfile").read_text("utf-8")
    images = [service["image"] for service in read_compose(filled_in()).values()]
    images += [stage.split()[0] for stage in Image().stages]
    # A host name would come before the first slash, with a dot or a port in it.
    assert not any("." in image.split("/")[0] for image in images if "/" in image)
    assert len(Image().stages) == 2


class Installation:
    """The services of the file as processes of this machine."""

    def __init__(self, place: Path) -> None:
        self.values = filled_in()
        self.services = read_compose(self.values)
        self.image = Image()
        self.folder = place
        self.app = place / "app"
        copy_build_context(self.app)
        self.web_port, self.valkey_port = choose_port(0), choose_port(0)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        about = self.services["postgres"]
        data = place / "postgres"
        data.mkdir()
        self.postgres = OwnPostgres(
            data,
            initdb=about["environment"]["POSTGRES_INITDB_ARGS"].split(),
            settings=about["command"][1:],
            password=about["environment"]["POSTGRES_PASSWORD"],
            database=about["environment"]["POSTGRES_DB"],
        )
        self.postgres.make_roles(about["environment"])

    def environment(self, service: str) -> dict[str, str]:
        """The image's and the service's, with this machine's addresses and folders."""
        found = self.image.environment | self.services[service]["environment"]
        found = {name: self._here(str(value)) for name, value in found.items()}
        return found | {"PATH": os.environ["PATH"], "PORT": str(self.web_port), "HOME": "/nonexistent"}

    def _here(self, value: str) -> str:
        return (
            value.replace("@postgres:5432/", f"@127.0.0.1:{self.postgres.port}/")
            .replace("@valkey:6379/", f"@127.0.0.1:{self.valkey_port}/")
            .replace("/opt/leadsys/static", str(self.folder / "static"))
            .replace("/run/leadsys", str(self.folder / "run"))
        )

    def words(self, command: list[str]) -> list[str]:
        """A command line of the file; ``python`` is this Python, the container's port is a free one."""
        here = {"python": sys.executable, "8000": str(self.web_port), "0.0.0.0": "127.0.0.1"}
        return [here.get(word, word) for word in command]

    def run(self, service: str, command: list[str]) -> subprocess.CompletedProcess[str]:
        """A command that ends, in the service's environment."""
        return subprocess.run(
            self.words(command),
            cwd=self.app,
            env=self.environment(service),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self, service: str) -> None:
        """A service that stays."""
        command = self.services[service].get("command", self.image.command)
        with (self.folder / f"{service}.log").open("ab") as log:
            self.processes[service] = subprocess.Popen(
                self.words(command),
                cwd=self.app,
                env=self.environment(service),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_valkey(self) -> None:
        about = self.services["valkey"]
        # The file's own script; the port is a free one of this machine.
        script = about["command"][-1].replace("valkey-server -", f"valkey-server - --port {self.valkey_port}")
        environment = about["environment"] | {"PATH": f"{valkey_folder()}:{os.environ['PATH']}"}
        with (self.folder / "valkey.log").open("wb") as log:
            self.processes["valkey"] = subprocess.Popen(
                [*about["command"][:-1], script], env=environment, stdout=log, stderr=log, cwd=self.folder
            )

    def health(self, service: str) -> subprocess.CompletedProcess[str]:
        """The service's health check."""
        about = self.services[service].get("healthcheck")
        return self.run(service, about["test"][1:] if about else self.image.health_check)

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text("utf-8", "replace")[-3000:]

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.postgres.stop()


class Browser:
    """Behind the proxy: HTTPS outside, cookies kept."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: SimpleCookie = SimpleCookie()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, HTTPMessage, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {
            "Host": HOST,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": "203.0.113.9",
            "Accept-Language": "en",
        }
        sent |= {"Cookie": "; ".join(f"{each.key}={each.value}" for each in self.cookies.values())}
        if isinstance(body, dict):
            body = urlencode({"csrfmiddlewaretoken": self.cookies["csrftoken"].value, **body})
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Referer": f"https://{HOST}{path}"}
        connection.request(method, path, body, sent | headers)
        answer = connection.getresponse()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self.cookies.load(value)
        return answer.status, answer.headers, answer.read().decode("utf-8", "replace")


def until(condition: Callable[[], Any], said: Callable[[], str]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, said()
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def installation(place: Path) -> Iterator[Installation]:
    """Built, migrated, started."""
    made = Installation(place)
    try:
        (made.folder / "run").mkdir()
        static = made.run("web", made.image.static_command)
        assert static.returncode == 0, static.stderr
        assert made.health("worker").returncode == 1
        assert made.health("web").returncode == 1
        migrated = made.run("migrate", made.services["migrate"]["command"])
        assert migrated.returncode == 0, migrated.stderr
        made.start_valkey()
        for service in ("web", "worker", "beat"):
            made.start(service)
        for service in ("web", "worker", "beat"):
            until(
                lambda service=service: made.health(service).returncode == 0,  # type: ignore[misc]
                lambda service=service: f"{service}: {made.health(service).stderr} {made.log(service)}",  # type: ignore[misc]
            )
        yield made
    finally:
        made.stop()


def test_production_settings_pass_djangos_review(installation: Installation) -> None:
    done = installation.run("web", ["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"])
    assert (done.returncode, done.stdout.strip()) == (0, "System check identified no issues (0 silenced)."), (
        done.stderr
    )


def test_the_init_script_makes_the_roles_with_no_right_too_many(installation: Installation) -> None:
    with psycopg.connect(installation.postgres.superuser_url()) as connection:
        roles = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles"
            " WHERE rolname LIKE 'leadsys%' ORDER BY rolname"
        ).fetchall()
        locale = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'leadsys'"
        ).fetchone()
    assert roles == [
        ("leadsys_app", False, False, False, False, True),
        ("leadsys_definer", False, True, False, False, False),
        ("leadsys_owner", False, False, False, False, True),
    ]
    assert locale == ("b", "C.UTF-8")


def test_an_administrator_signs_in_and_a_captured_lead_becomes_an_mql(installation: Installation) -> None:
    made = installation.run(
        "web",
        [
            "python",
            "manage.py",
            "create_tenant",
            "Empresa SA",
            "--slug",
            "empresa",
            "--admin",
            "ana@empresa.test",
        ],
    )
    assert made.returncode == 0, made.stderr
    link = urlsplit(made.stdout.splitlines()[-1])
    assert (link.scheme, link.netloc) == ("https", HOST)
    browser = Browser(installation.web_port)
    status, _headers, page = browser.ask("GET", link.path)
    assert status == 200, page
    password = "a long enough password"
    chosen = {"name": "Ana", "password": password, "again": password}
    status, headers, page = browser.ask("POST", link.path, chosen)
    assert status == 302, page
    assert browser.cookies["sessionid"]["secure"]
    fresh = Browser(installation.web_port)
    fresh.ask("GET", "/accounts/login/")
    status, headers, page = fresh.ask(
        "POST", "/accounts/login/", {"login": "ana@empresa.test", "password": password}
    )
    assert status == 302, page
    status, headers, page = fresh.ask("GET", "/t/empresa/leads/")
    assert status == 200
    assert "max-age" in headers["Strict-Transport-Security"]
    assert "/static/" in page
    # Collected, under a name that changes with the content.
    style = (
        page.partition('rel="stylesheet"')[0].rpartition("<link")[2] + page.partition('rel="stylesheet"')[2]
    )
    address = re.search(r'href="(/static/[^"]+)"', style)
    assert address is not None
    assert re.search(r"\.[0-9a-f]{12}\.css$", address[1])
    status, headers, _style = fresh.ask("GET", address[1])
    assert (status, "immutable" in headers["Cache-Control"]) == (200, True)

    key = installation.run(
        "web", ["python", "manage.py", "create_api_key", "--tenant", "empresa", "--name", "site"]
    ).stdout.splitlines()[-1]
    body = {
        "email": "bia@cliente.com.br",
        "event": {"type": "form_submitted", "properties": {"kind": "demo"}},
    }
    machine = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    site = Browser(installation.web_port)
    status, headers, said = site.ask(
        "POST", "/api/v1/leads/", json.dumps(body), Prefer="respond-async", **machine
    )
    assert status == 202, said

    def processed() -> Any:
        answer = json.loads(site.ask("GET", headers["Location"], **machine)[2])
        return answer if answer.get("state") == "processed" else None

    until(processed, lambda: installation.log("worker") + installation.log("beat"))
    found = json.loads(site.ask("GET", "/api/v1/leads/?email=bia@cliente.com.br", **machine)[2])["results"]
    assert [lead["stage"] for lead in found] == ["mql"]


def test_plain_http_is_sent_to_https_and_strange_hosts_are_refused(installation: Installation) -> None:
    browser = Browser(installation.web_port)
    status, headers, _page = browser.ask("GET", "/accounts/login/", **{"X-Forwarded-Proto": "http"})
    assert (status, headers["Location"]) == (301, f"https://{HOST}/accounts/login/")
    assert browser.ask("GET", "/accounts/login/", Host="evil.example")[0] == 400


def test_a_backup_is_written_by_its_service(installation: Installation) -> None:
    folder = installation.folder / "backups"
    folder.mkdir()
    command = [word.replace("/backups/", str(folder)) for word in installation.services["backup"]["command"]]
    done = installation.run("backup", command)
    assert done.returncode == 0, done.stderr
    (file,) = folder.iterdir()
    assert done.stdout.strip() == str(file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_worker_that_is_gone_is_not_healthy(installation: Installation) -> None:
    worker = installation.processes.pop("worker")
    worker.terminate()
    worker.wait(60)
    with psycopg.connect(installation.postgres.superuser_url()) as connection:
        connection.execute(
            "UPDATE core_processpulse SET seen_at = now() - interval '1 hour' WHERE role = 'worker'"
        )
    done = installation.health("worker")
    assert (done.returncode, done.stderr.strip()[:9]) == (1, "no worker")
