"""No migration after the first release stops people from working: squawk reads the SQL of each of them.

It knows which statements lock a table for as long as they read or rewrite it, and which ones break code of the version before,
that is still running while a migration is applied. Tables made by the same migration are empty and may be treated anyhow.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connections, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

ROOT = Path(__file__).parents[2]
OURS = ["tenancy", "core", "leads", "scoring", "routing", "nurturing", "insights"]
# What was released when the tables were empty everywhere.
RELEASED = {
    ("tenancy", "0001_initial"),
    ("tenancy", "0002_row_security"),
    ("core", "0001_initial"),
    ("core", "0002_row_security"),
    ("leads", "0001_initial"),
    ("leads", "0002_row_security"),
    ("leads", "0003_form_lookup"),
    ("routing", "0001_initial"),
    ("routing", "0002_row_security"),
    ("nurturing", "0001_initial"),
    ("nurturing", "0002_row_security"),
}
# Taste, and what Django decides: how types are spelled, IF EXISTS, identity columns.
NOT_ABOUT_LOCKS = [
    "ban-char-field",
    # It goes in an instant, and the version before does without it.
    "ban-drop-constraint",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-timestamp-tz",
    # The timeouts are the operator's: a concurrent index waits as long as it must.
    "require-timeout-settings",
]
# Some dozens of rows in an account: rewritten before anybody notices.
SMALL_TABLES = ['"tenancy_apikey"']


@pytest.fixture(autouse=True)
def _as_owner(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The owner's connection, outside a transaction: nothing is written, and concurrent indexes refuse to be in one."""
    with django_db_blocker.unblock():
        yield
        connections["owner"].close()


def squawk(sql: str, *, is_atomic: bool) -> list[str]:
    """The rules that a migration's SQL breaks, each with the statement's line."""
    command = [str(Path(sys.executable).with_name("squawk")), "--reporter", "json", "--pg-version", "18.0"]
    command += [f"--exclude={','.join(NOT_ABOUT_LOCKS)}", "--stdin-filepath", "migration.sql"]
    if is_atomic:
        command.append("--assume-in-transaction")
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout, done.stderr
    lines = sql.splitlines()
    return [
        f"{found['rule_name']}: {lines[found['line']].strip() if found['line'] < len(lines) else ''}"
        for found in json.loads(done.stdout)
    ]


def faults_of(migration: Any, *, state: ProjectState) -> list[str]:
    """What squawk finds in the SQL that a migration would run as the owner; ``state`` is that of the models before it."""
    editor = connections["owner"].schema_editor(collect_sql=True, atomic=migration.atomic)
    with editor:
        migration.apply(state, editor, collect_sql=True)
    found = squawk("\n".join(editor.collected_sql), is_atomic=migration.atomic)
    return [each for each in found if not is_of_a_small_table(each)]


def is_of_a_small_table(fault: str) -> bool:
    """Whether a fault is that a table is rewritten which is small everywhere."""
    return fault.startswith("changing-column-type: ") and any(table in fault for table in SMALL_TABLES)


def later_migrations() -> list[Any]:
    loader = MigrationLoader(None)
    found = [loader.get_migration(*key) for key in sorted(loader.graph.nodes) if key[0] in OURS]
    return [each for each in found if (each.app_label, each.name) not in RELEASED]


@pytest.mark.parametrize("migration", later_migrations(), ids=lambda each: f"{each.app_label}.{each.name}")
def test_a_migration_locks_no_table_and_the_version_before_goes_on(migration: Any) -> None:
    before = MigrationLoader(None).project_state((migration.app_label, migration.name), at_end=False)
    assert faults_of(migration, state=before) == []


def test_what_was_released_is_still_there() -> None:
    assert set(MigrationLoader(None).graph.nodes) >= RELEASED
    assert {config.label for config in apps.get_app_configs() if Path(config.path).parent == ROOT} - {
        *OURS,
        "leadsys",
    } == set()


class NotNull(migrations.Migration):
    operations = [
        migrations.AddField("Lead", "weight", models.IntegerField(default=0), preserve_default=False),
        migrations.AlterField("Lead", "weight", models.BigIntegerField(default=0)),
    ]


class PlainIndex(migrations.Migration):
    operations = [migrations.AddIndex("Event", models.Index(fields=["type"], name="event_by_type"))]


class PlainConstraint(migrations.Migration):
    operations = [
        migrations.AddConstraint(
            "Lead", models.CheckConstraint(condition=models.Q(pk__gt=0), name="lead_counted")
        )
    ]


class Gone(migrations.Migration):
    operations = [migrations.RemoveField("Lead", "phone")]


class Harmless(migrations.Migration):
    operations = [migrations.AddField("Lead", "nickname", models.TextField(null=True))]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (NotNull, "changing-column-type"),
        (PlainIndex, "require-concurrent-index-creation"),
        (PlainConstraint, "constraint-missing-not-valid"),
        (Gone, "ban-drop-column"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_check_finds_what_locks_or_breaks(kind: Any, rule: str) -> None:
    assert any(fault.startswith(rule) for fault in faults_of(kind("9999_example", "leads"), state=newest()))


def test_a_column_that_may_be_empty_is_no_fault() -> None:
    assert faults_of(Harmless("9999_example", "leads"), state=newest()) == []


def newest() -> ProjectState:
    """The models as they are after every migration."""
    return MigrationLoader(None).project_state()
