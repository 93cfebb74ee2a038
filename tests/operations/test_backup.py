"""A backup made while people work, restored on an empty server: the same rows, the same locks, the same way in."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from leadsys.embedded.home import PROJECT, Home
from leadsys.embedded.postgres import SUPERUSER, Postgres
from leadsys.embedded.servers import ensure_servers, stop_servers
from tests.operations.servers import OwnPostgres

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("operations")]

PASSWORD = "a long enough password"
ROLES = ("LEADSYS_OWNER_PASSWORD", "LEADSYS_APP_PASSWORD", "LEADSYS_BACKUP_PASSWORD")
INITDB = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]

FILL = f"""
import django; django.setup()
from django.utils import timezone
from tenancy.models import User
from tenancy.services import create_tenant
for slug in ("horizonte", "outra"):
    create_tenant(name=slug.title(), slug=slug, admin_email=f"admin@{{slug}}.test", now=timezone.now())
for user in User.objects.all():
    user.set_password("{PASSWORD}"); user.save()
"""

# Leads come in by the API's own door until the process is killed.
CAPTURE = """
import sys, json
import django; django.setup()
from django.test import Client
from django.utils import timezone
from tenancy.keys import create_key
from tenancy.models import Scope, Tenant
from tenancy.scope import tenant_scope
tenant = Tenant.objects.get(slug="horizonte")
with tenant_scope(tenant.pk):
    key = create_key(name="site", scopes=list(Scope), by=None, now=timezone.now())[1]
client = Client(headers={"Authorization": f"Bearer {key}"})
for number in range(1_000_000):
    body = {"email": f"a{number}@cliente{number}.com.br", "event": {"type": "form_submitted", "properties": {"kind": "demo"}}}
    answer = client.post("/api/v1/leads/", json.dumps(body), content_type="application/json")
    assert answer.status_code == 201, answer.content
    print(number, flush=True)
"""

PROVIDE = "from leadsys.embedded import provide_environment; provide_environment()\n"
SIGN_IN = f"""
import django; django.setup()
from django.test import Client
client = Client()
answer = client.post("/accounts/login/", {{"login": "admin@horizonte.test", "password": "{PASSWORD}"}})
assert answer.status_code == 302, answer.content[:500]
print(client.get("/t/horizonte/leads/").status_code, client.get("/t/outra/leads/").status_code, client.get("/readyz").status_code)
"""

# Everything that decides who may see and do what; names only, so that two servers can be compared.
RIGHTS = """
SELECT 'table', c.relname, pg_get_userbyid(c.relowner), c.relrowsecurity::text, c.relforcerowsecurity::text,
       (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(c.relacl) a)
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S')
UNION ALL
SELECT 'policy', p.polname, p.polrelid::regclass::text, p.polcmd::text, pg_get_expr(p.polqual, p.polrelid),
       pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_policy p
UNION ALL
SELECT 'function', f.proname, pg_get_userbyid(f.proowner), f.prosecdef::text, array_to_string(f.proconfig, ' '),
       (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(f.proacl) a)
FROM pg_proc f WHERE f.pronamespace = 'public'::regnamespace AND f.prosecdef
UNION ALL
SELECT 'constraint', o.conname, o.conrelid::regclass::text,
    -- A list of texts is told with other casts once it has been read back.
    regexp_replace(pg_get_constraintdef(o.oid), '::(text|character varying)|[][()]', '', 'g'), '', ''
FROM pg_constraint o WHERE o.connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', indexname, tablename, regexp_replace(indexdef, '::(text|character varying)|[][()]', '', 'g'), '', ''
FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'schema', nspname, '', '', '', (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(nspacl) a)
FROM pg_namespace WHERE nspname = 'public'
"""


def manage(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return python(environment, "manage.py", *words)


def python(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def plain_environment() -> dict[str, str]:
    named = ("DATABASE_", "REDIS_URL", "LEADSYS_")
    found = {name: value for name, value in os.environ.items() if not name.startswith(named)}
    return found | {"DJANGO_SETTINGS_MODULE": "leadsys.settings", "LEADSYS_LOG_LEVEL": "CRITICAL"}


def query(url: str, sql: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


def counts(url: str) -> dict[str, int]:
    """Rows of every table, past row security."""
    names = [name for (name,) in query(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return {name: query(url, f'SELECT count(*) FROM "{name}"')[0][0] for name in names}


@dataclass
class Source:
    """A server of somebody's own with two tenants, and what its roles are called by."""

    server: OwnPostgres
    environment: dict[str, str]
    backup_url: str


@pytest.fixture(scope="module")
def source(place: Path) -> Iterator[Source]:
    folder = place / "source"
    folder.mkdir()
    server = OwnPostgres(folder, initdb=INITDB, password=secrets.token_hex(16))
    try:
        passwords = {name: secrets.token_hex(16) for name in ROLES}
        server.make_roles(passwords)
        environment = plain_environment() | {
            "DATABASE_URL": server.url("leadsys_app", passwords["LEADSYS_APP_PASSWORD"]),
            "DATABASE_OWNER_URL": server.url("leadsys_owner", passwords["LEADSYS_OWNER_PASSWORD"]),
            "REDIS_URL": "redis://127.0.0.1:1/0",
        }
        succeed(manage(environment, "migrate", "--no-input", "-v0"))
        succeed(python(environment, "-c", FILL))
        yield Source(server, environment, server.url("leadsys_backup", passwords["LEADSYS_BACKUP_PASSWORD"]))
    finally:
        server.stop()


@pytest.fixture(scope="module")
def backup(source: Source, place: Path) -> Path:
    """A backup by the role that may only read, while leads come in."""
    target = place / "under load.dump"
    capturing = subprocess.Popen(
        [sys.executable, "-c", CAPTURE],
        cwd=PROJECT,
        env=source.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert capturing.stdout is not None
        for _lead in range(20):
            assert capturing.stdout.readline(), "no lead came in"
        began = counts(source.server.superuser_url())["leads_lead"]
        admin = {"DATABASE_ADMIN_URL": source.backup_url}
        said = succeed(manage(source.environment | admin, "backup", str(target)))
        assert capturing.poll() is None
    finally:
        capturing.kill()
        capturing.wait()
    assert said == str(target)
    assert began >= 20
    assert counts(source.server.superuser_url())["leads_lead"] > began
    return target


@pytest.fixture(scope="module")
def restored(backup: Path, place: Path) -> Iterator[tuple[dict[str, str], str]]:
    """The backup in the embedded servers of a fresh home: the environment of its commands, and its superuser's address."""
    home = Home(place / "casa nova")
    environment = plain_environment() | {"LEADSYS_HOME": str(home.folder)}
    try:
        assert succeed(manage(environment, "restore", str(backup))) == "Restored. Now: manage.py migrate"
        succeed(manage(environment, "migrate", "--no-input", "-v0"))
        state = home.read_state()
        yield environment, Postgres(home, state).url(SUPERUSER, state.superuser_password)
    finally:
        stop_servers(home)
        cluster = home.read_state().cluster
        if cluster:
            shutil.rmtree(Path(cluster).parent, ignore_errors=True)


def test_the_backup_is_whole_as_of_one_instant(source: Source, restored: tuple[dict[str, str], str]) -> None:
    _environment, url = restored
    before, after = counts(source.server.superuser_url()), counts(url)
    assert set(after) == set(before)
    # What nobody was writing is the same; of what was being written each lead is there with all that belongs to it.
    for table in (
        "tenancy_tenant",
        "tenancy_user",
        "tenancy_membership",
        "leads_ruleversion",
        "django_migrations",
    ):
        assert after[table] == before[table]
    assert 20 <= after["leads_lead"] <= before["leads_lead"]
    assert after["leads_leadstate"] == after["leads_lead"]
    assert query(url, "SELECT count(*) FROM leads_submission WHERE state <> 'processed'")[0][0] <= 1
    orphans = (
        "SELECT count(*) FROM leads_event e LEFT JOIN leads_lead l ON l.id = e.lead_id WHERE l.id IS NULL"
    )
    assert query(url, orphans) == [(0,)]


def test_owners_grants_policies_constraints_and_indexes_are_the_same(
    source: Source, restored: tuple[dict[str, str], str]
) -> None:
    before, after = query(source.server.superuser_url(), RIGHTS), query(restored[1], RIGHTS)
    assert len(before) > 300
    assert sorted(before, key=str) == sorted(after, key=str)


def test_row_security_holds_and_people_sign_in_as_before(restored: tuple[dict[str, str], str]) -> None:
    environment, url = restored
    found = succeed(python(environment, "-c", PROVIDE + SIGN_IN))
    assert found == "200 404 200"
    home = Home(Path(environment["LEADSYS_HOME"]))
    with psycopg.connect(ensure_servers(home).database_url) as app:
        assert app.execute("SELECT count(*) FROM leads_lead").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("TRUNCATE leads_lead")
    assert query(url, "SELECT count(*) FROM leads_lead")[0][0] >= 20


def test_the_embedded_servers_back_themselves_up(restored: tuple[dict[str, str], str], place: Path) -> None:
    folder = place / "backups"
    folder.mkdir()
    file = Path(succeed(manage(restored[0], "backup", str(folder))))
    assert file.parent == folder
    assert file.name.startswith("leadsys-")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in folder.iterdir()] == [file.name]


def test_nothing_is_overwritten(source: Source, backup: Path, restored: tuple[dict[str, str], str]) -> None:
    admin = {"DATABASE_ADMIN_URL": source.backup_url}
    again = manage(source.environment | admin, "backup", str(backup))
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    over = manage(restored[0], "restore", str(backup))
    assert (over.returncode, "has tables already" in over.stderr) == (1, True)


@pytest.mark.parametrize("role", ["owner", "app"])
def test_the_applications_roles_cannot_dump_what_they_may_not_see(
    source: Source, role: str, tmp_path: Path
) -> None:
    name = {"owner": "DATABASE_OWNER_URL", "app": "DATABASE_URL"}[role]
    admin = {"DATABASE_ADMIN_URL": source.environment[name]}
    done = manage(source.environment | admin, "backup", str(tmp_path / "file.dump"))
    assert done.returncode == 1
    assert "row-level security" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_backups_role_can_neither_write_nor_restore(source: Source, backup: Path) -> None:
    admin = {"DATABASE_ADMIN_URL": source.backup_url}
    done = manage(source.environment | admin, "restore", str(backup))
    assert (done.returncode, "Only a superuser can restore" in done.stderr) == (1, True)
    with psycopg.connect(source.backup_url) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM leads_lead")


def test_without_a_role_the_command_says_which_one_it_needs(source: Source, tmp_path: Path) -> None:
    done = manage(source.environment, "backup", str(tmp_path / "file.dump"))
    assert (done.returncode, "Set DATABASE_ADMIN_URL" in done.stderr) == (1, True)


def test_a_damaged_file_leaves_the_database_empty(source: Source, backup: Path, place: Path) -> None:
    folder = place / "empty"
    folder.mkdir()
    server = OwnPostgres(folder, initdb=INITDB, password=secrets.token_hex(16))
    try:
        server.make_roles({name: secrets.token_hex(16) for name in ROLES})
        damaged = place / "damaged.dump"
        damaged.write_bytes(backup.read_bytes()[: backup.stat().st_size * 2 // 3])
        admin = {"DATABASE_ADMIN_URL": server.superuser_url()}
        done = manage(source.environment | admin, "restore", str(damaged))
        assert (done.returncode, "pg_restore failed" in done.stderr) == (1, True)
        assert query(
            server.superuser_url(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ) == [(0,)]
    finally:
        server.stop()
