"""What failed three times is held with its error, seen by operators, and done once they have mended its cause."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from core.due import DueKind, _kinds, list_held, schedule, sweep_tenant
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tests.conftest import NOW


class Work:
    """A kind of due rows that fails until it is mended."""

    def __init__(self) -> None:
        self.is_broken = True
        self.done: list[int] = []

    def act(self, subjects: Any, now: Any) -> None:
        if self.is_broken:
            raise ValueError("no luck with ana@empresa.com.br\nand more")
        self.done += subjects


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    _kinds["test.work"] = DueKind("test.work", act=work.act)
    yield work
    del _kinds["test.work"]


@pytest.fixture
def held(work: Work, tenant: Tenant, other_tenant: Tenant) -> Work:
    """One row held in each of the two tenants."""
    for each in (tenant, other_tenant):
        with tenant_scope(each.pk):
            schedule(kind="test.work", due={7: NOW})
        for minutes in (0, 1, 10):
            sweep_tenant(tenant_id=each.pk, now=NOW + timedelta(minutes=minutes))
        with tenant_scope(each.pk):
            assert [row.subject for row in list_held()] == [7]
    return work


def test_held_rows_are_listed_with_their_errors_and_without_anybodys_address(
    held: Work, tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("held_due_rows", "--tenant", tenant.slug)
    assert capsys.readouterr().out == (
        f"{tenant.slug} test.work 7 2026-11-18T13:10Z ValueError: no luck with …@…\n"
    )
    call_command("held_due_rows", "--kind", "other")
    assert capsys.readouterr().out == ""


def test_a_retried_row_is_done_at_the_next_sweep_and_only_in_the_tenant_named(
    held: Work, tenant: Tenant, other_tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    held.is_broken = False
    call_command("held_due_rows", "--tenant", tenant.slug, "--retry")
    assert capsys.readouterr().out.splitlines()[-1] == "1 due again"
    for each in (tenant, other_tenant):
        sweep_tenant(tenant_id=each.pk, now=NOW + timedelta(days=365 * 50))
    assert held.done == [7]
    with tenant_scope(other_tenant.pk):
        assert len(list_held()) == 1


def test_a_tenant_that_does_not_exist_is_an_error(db: None) -> None:
    with pytest.raises(CommandError, match="no tenant nowhere"):
        call_command("held_due_rows", "--tenant", "nowhere")
