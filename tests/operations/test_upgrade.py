"""Data of the first release, brought up to this version: nothing is lost, and it serves.

``released_rows.sql.gz`` are the rows of two tenants as the first release left them (leads captured, scored, promoted, worked, won
and lost, rejected into sequences, imported; rules, forms, decisions, due rows): documents, too, that the code of
then wrote. It never changes; see the first lines of it.
"""

import gzip
import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.guards.test_migrations import RELEASED
from tests.operations.servers import OwnPostgres
from tests.operations.test_backup import INITDB, manage, plain_environment, python, query, succeed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("operations")]

ROWS = Path(__file__).with_name("released_rows.sql.gz")

PACKAGES = ("account", "admin", "auth", "contenttypes", "mfa", "sessions")

# In one process: each would draw up the whole schema's history anew.
MIGRATE_TO = """
import json, sys
import django; django.setup()
from django.core.management import call_command
for target in json.loads(sys.argv[1]):
    call_command("migrate", *target, interactive=False, verbosity=0)
"""

# Each tenant's pages and the API's answers, read by the code of today.
SERVE = """
import json
import django; django.setup()
from django.test import Client
from django.utils import timezone
from core.due import sweep
from leads.models import Decision, Lead
from nurturing.sending import Sender
from tenancy.keys import create_key
from tenancy.models import Scope, Tenant
from tenancy.scope import tenant_scope
for tenant in Tenant.objects.order_by("slug"):
    browser = Client()
    login = {"login": f"admin@{tenant.slug}.test", "password": "a long old password"}
    assert browser.post("/accounts/login/", login).status_code == 302
    with tenant_scope(tenant.pk):
        key = create_key(name="today", scopes=list(Scope), by=None, now=timezone.now())[1]
        ids = list(Lead.objects.order_by("pk").values_list("pk", flat=True))
    api = Client(headers={"Authorization": f"Bearer {key}"})
    pages = ["", "leads/", "queue/", "inbox/", "opportunities/", "funnel/", "forms/", "outbox/", "rules/", "held/"]
    pages += [f"leads/{lead_id}/" for lead_id in ids]
    pages += ["settings/members/", "settings/teams/", "settings/audit/"]
    for page in pages:
        answer = browser.get(f"/t/{tenant.slug}/{page}", follow=True)
        assert answer.status_code == 200, (page, answer.status_code)
    for lead_id in ids:
        for path in (f"leads/{lead_id}/", f"leads/{lead_id}/why/"):
            assert api.get(f"/api/v1/{path}").status_code == 200, path
    # A lead of then goes on today: an event moves its score by the rules of then.
    last = f"/api/v1/leads/{ids[-1]}/"
    assert api.get(last).json()["score"] == 0
    body = {"type": "webinar_attended", "lead": {"id": ids[-1]}, "message_id": "today"}
    assert api.post("/api/v1/events/", json.dumps(body), content_type="application/json").status_code < 300
    sweep(now=timezone.now())
    assert api.get(last).json()["score"] == 20
    Sender().take_turn(carrier=None, clock=timezone.now)
    print(tenant.slug, len(ids), api.get("/api/v1/funnel/?mode=cohort").json()["total"]["reached"]["customer"])
assert Client().get("/readyz").status_code == 200
"""


@dataclass
class Upgraded:
    """The old data on a server of its own: addresses, and how many rows each table had before."""

    environment: dict[str, str]
    superuser_url: str
    rows: dict[str, int]
    sample: list[tuple[object, ...]]


SAMPLE = """
SELECT l.tenant_id, l.id, l.email, l.external_id, l.name, s.stage, s.score, s.grade
FROM leads_lead l JOIN leads_leadstate s ON s.tenant_id = l.tenant_id AND s.lead_id = l.id ORDER BY l.id
"""


@pytest.fixture(scope="module")
def upgraded(place: Path) -> Iterator[Upgraded]:
    folder = place / "old"
    folder.mkdir()
    server = OwnPostgres(folder, initdb=INITDB, password=secrets.token_hex(16))
    try:
        passwords = {
            name: secrets.token_hex(16) for name in ("LEADSYS_OWNER_PASSWORD", "LEADSYS_APP_PASSWORD")
        }
        server.make_roles(passwords)
        environment = plain_environment() | {
            "DATABASE_URL": server.url("leadsys_app", passwords["LEADSYS_APP_PASSWORD"]),
            "DATABASE_OWNER_URL": server.url("leadsys_owner", passwords["LEADSYS_OWNER_PASSWORD"]),
            "REDIS_URL": "redis://127.0.0.1:1/0",
        }
        migrate_to_release(environment)
        load_rows(server)
        rows, sample = count_rows(server.superuser_url()), query(server.superuser_url(), SAMPLE)
        succeed(manage(environment, "migrate", "--no-input", "-v0"))
        yield Upgraded(environment, server.superuser_url(), rows, sample)
    finally:
        server.stop()


def migrate_to_release(environment: dict[str, str]) -> None:
    """The schema of the first release: each app of ours at what it had then, the packages' own tables."""
    last = {app: max(name for each, name in RELEASED if each == app) for app, _name in RELEASED}
    targets = [*sorted(last.items()), *((app,) for app in PACKAGES)]
    succeed(python(environment, "-c", MIGRATE_TO, json.dumps(targets)))


def load_rows(server: OwnPostgres) -> None:
    """As the superuser and without triggers, as a restored dump comes in."""
    words = [str(server.programs.postgres.with_name("psql")), "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-q"]
    words += ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", server.database]
    sql = b"SET session_replication_role = replica;\n" + gzip.decompress(ROWS.read_bytes())
    done = subprocess.run(
        words,
        input=sql,
        env={"PGPASSWORD": server.password, "PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def count_rows(url: str) -> dict[str, int]:
    names = query(
        url,
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'django_migrations'",
    )
    return {name: query(url, f'SELECT count(*) FROM "{name}"')[0][0] for (name,) in names}


def test_every_row_is_kept(upgraded: Upgraded) -> None:
    after = count_rows(upgraded.superuser_url)
    kept = {table: after[table] for table in upgraded.rows}
    assert upgraded.rows["leads_lead"] >= 80
    assert upgraded.rows["leads_decision"] >= 100
    # Packages name their models anew; rows that tell of people only grow in number where a migration derives some.
    ours = {
        table: rows for table, rows in upgraded.rows.items() if not table.startswith(("auth_", "django_"))
    }
    assert {table: kept[table] for table in ours} == ours
    assert query(upgraded.superuser_url, SAMPLE) == upgraded.sample


def test_row_security_is_forced_on_every_table_of_a_tenant(upgraded: Upgraded) -> None:
    open_tables = """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    """
    assert query(upgraded.superuser_url, open_tables) == []
    with psycopg.connect(upgraded.environment["DATABASE_URL"]) as app:
        assert app.execute("SELECT count(*) FROM leads_lead").fetchone() == (0,)
        maintains = app.execute("SELECT has_table_privilege('leads_lead', 'MAINTAIN')").fetchone()
        assert maintains == (False,)


def test_people_sign_in_every_page_serves_and_leads_go_on(upgraded: Upgraded) -> None:
    lines = succeed(python(upgraded.environment, "-c", SERVE)).splitlines()
    leads = {slug: int(count) for slug, count, _won in (line.split() for line in lines)}
    assert sum(leads.values()) == upgraded.rows["leads_lead"]
    assert all(int(line.split()[2]) > 0 for line in lines)


def test_a_deletion_works_on_old_data_too(upgraded: Upgraded) -> None:
    succeed(manage(upgraded.environment, "delete_tenant", "antiga", "--confirm", "antiga"))
    tenants = "SELECT DISTINCT tenant_id FROM leads_event UNION SELECT DISTINCT tenant_id FROM leads_lead"
    assert len(query(upgraded.superuser_url, tenants)) == 1
