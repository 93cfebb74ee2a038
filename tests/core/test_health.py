"""Whether an installation says that it can work: what `/readyz` answers."""

import pytest
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

pytestmark = pytest.mark.django_db


def test_a_migrated_database_is_ready() -> None:
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["migrations"]) == (200, "ok")


def test_code_that_is_newer_than_its_database_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    applied = MigrationRecorder.applied_migrations

    def all_but_one(self: MigrationRecorder) -> object:
        return {key: row for key, row in applied(self).items() if key != ("leads", "0014_exports")}

    monkeypatch.setattr(MigrationRecorder, "applied_migrations", all_but_one)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["migrations"] == "1 not applied; run manage.py migrate"
