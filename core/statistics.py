"""What the planner knows of tables that grow quickly.

Until a table has been analysed the planner believes that a tenant has one row, and reads all of them for each key. Autovacuum
comes a minute later; whoever writes thousands of rows into what may be an empty database says so itself.

The application's role may not analyse (the right to, MAINTAIN, would let it rewrite and lock whole tables); an audited function
does, for tables of tenants that have doubled, and for nothing else.
"""

from django.db import connection


def freshen_statistics() -> list[str]:
    """Analyse the tables that have doubled since they last were; returns their names. A transaction sees what it wrote."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM leadsys_analyse_grown_tables()")
        return [name for (name,) in cursor.fetchall()]
