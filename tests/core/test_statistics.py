"""Tables that have just grown are analysed by an audited function; the application's role itself may not maintain any."""

from typing import Any

from django.db import connection

from core.statistics import freshen_statistics
from tenancy.models import Tenant
from tests.builders import make_lead


def ask(sql: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def known_rows() -> int:
    ((rows,),) = ask("SELECT reltuples::bigint FROM pg_class WHERE oid = 'leads_event'::regclass")
    return int(rows)


def test_a_table_that_has_doubled_is_analysed_once(in_tenant: Tenant) -> None:
    freshen_statistics()
    lead = make_lead()
    ((pages,),) = ask("SELECT pg_relation_size('leads_event') / current_setting('block_size')::int")
    # At most 80 of them fit into a page.
    rows = 80 * (2 * pages + 20)
    ask(
        """
        INSERT INTO leads_event (tenant_id, lead_id, type, occurred_at, received_at, properties)
        SELECT %s, %s, 'page_viewed', now(), now(), '{}' FROM generate_series(1, %s)
        """,
        in_tenant.pk,
        lead.pk,
        rows,
    )
    assert "leads_event" in freshen_statistics()
    assert known_rows() >= rows
    assert "leads_event" not in freshen_statistics()


def test_the_application_may_maintain_no_table(db: None) -> None:
    maintained = ask(
        """
        SELECT relname FROM pg_class
        WHERE relkind IN ('r', 'm', 'p') AND relnamespace = 'public'::regnamespace
            AND has_table_privilege(oid, 'MAINTAIN, TRIGGER, REFERENCES')
        """
    )
    assert maintained == []
