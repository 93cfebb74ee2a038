"""Sweeps take turns: who has very much to do keeps nobody waiting."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from core.due import DueKind, _kinds, schedule, sweep, sweep_kind, sweep_turn
from core.models import DueRow
from tenancy.scope import require_tenant_id, tenant_scope
from tests.conftest import NOW

BATCH = 3


@pytest.fixture
def acted() -> Iterator[list[int]]:
    """The tenant of each batch that is acted on, in order."""
    tenants: list[int] = []

    def act(subjects: Sequence[int], now: datetime) -> None:
        tenants.append(require_tenant_id())

    _kinds["test.turns"] = DueKind("test.turns", act=act, batch_size=BATCH)
    yield tenants
    del _kinds["test.turns"]


@pytest.fixture
def much_and_little(tenant: Any, other_tenant: Any, acted: list[int]) -> Any:
    """Three batches are due in one tenant, one row in the other."""
    for each, rows in ((tenant, 3 * BATCH), (other_tenant, 1)):
        with tenant_scope(each.pk):
            schedule(kind="test.turns", due=dict.fromkeys(range(1, rows + 1), NOW))
    return tenant, other_tenant


@pytest.mark.django_db(transaction=True)
def test_a_tenant_with_much_to_do_keeps_the_others_waiting_for_one_batch(
    much_and_little: Any, acted: list[int]
) -> None:
    much, little = (tenant.pk for tenant in much_and_little)

    assert sweep(now=NOW) == 3 * BATCH + 1

    assert sorted(acted[:2]) == sorted([much, little])
    assert acted[2:] == [much, much]


@pytest.mark.django_db(transaction=True)
def test_what_falls_due_during_a_sweep_is_in_the_next_turn(much_and_little: Any, acted: list[int]) -> None:
    _much, little = (tenant.pk for tenant in much_and_little)
    assert sweep_turn(now=NOW) == (BATCH + 1, True)
    with tenant_scope(little):
        schedule(kind="test.turns", due={7: NOW + timedelta(seconds=1)})
    acted.clear()

    assert sweep_turn(now=NOW + timedelta(seconds=1)) == (BATCH + 1, True)
    assert little in acted


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_are_never_in_the_same_lane(tenant: Any) -> None:
    batches: list[list[int]] = []

    def act(subjects: Sequence[int], now: datetime) -> None:
        batches.append(list(subjects))
        if len(batches) == 1:
            beside = Thread(target=sweep_beside)
            beside.start()
            beside.join()

    def sweep_beside() -> None:
        try:
            sweep_kind(kind="test.lanes", tenant_id=tenant.pk, now=NOW)
        finally:
            connection.close()

    _kinds["test.lanes"] = DueKind("test.lanes", act=act, batch_size=2, lanes=2)
    try:
        with tenant_scope(tenant.pk):
            rows = [DueRow(kind="test.lanes", subject=n, due_at=NOW, lane=n % 2) for n in range(6)]
            DueRow.objects.bulk_create(rows)
        assert sweep_kind(kind="test.lanes", tenant_id=tenant.pk, now=NOW) == 3
    finally:
        del _kinds["test.lanes"]
    assert sorted(subject for batch in batches for subject in batch) == list(range(6))
    assert all(len({subject % 2 for subject in batch}) == 1 for batch in batches)
    # Beside the first batch, everything in the other lane and nothing else.
    assert {subject % 2 for batch in batches[1:3] for subject in batch} == {1 - batches[0][0] % 2}


@pytest.mark.django_db(transaction=True)
def test_what_goes_on_is_moved_what_does_not_is_forgotten_and_what_fails_is_tried_again(tenant: Any) -> None:
    later = NOW + timedelta(days=1)

    def act(subjects: Sequence[int], now: datetime) -> None:
        schedule(kind="test.goes_on", due={subject: later for subject in subjects if subject != 2})
        if 3 in subjects:
            raise ValueError("three")

    _kinds["test.goes_on"] = DueKind("test.goes_on", act=act, goes_on=True)
    try:
        with tenant_scope(tenant.pk):
            schedule(kind="test.goes_on", due=dict.fromkeys((1, 2, 3, 4), NOW))
            keys = dict(DueRow.objects.values_list("subject", "pk"))
        assert sweep_kind(kind="test.goes_on", tenant_id=tenant.pk, now=NOW) == 4
        with tenant_scope(tenant.pk):
            rows = DueRow.objects.order_by("subject").values_list(
                "subject", "pk", "due_at", "attempts", "error"
            )
            assert list(rows) == [
                (1, keys[1], later, 0, ""),
                (3, keys[3], NOW + timedelta(seconds=10), 1, "ValueError: three"),
                (4, keys[4], later, 0, ""),
            ]
    finally:
        del _kinds["test.goes_on"]
