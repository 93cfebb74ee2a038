from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    """A clock's row is rewritten three or four times. Without an index on what changes, and with room in its page, no index
    is written then. Its due row says when to look at it, ``clock_once_per_visit`` finds the few of a lead."""

    atomic = False
    dependencies = [("routing", "0003_when_the_clock_is_due")]

    operations = [
        RemoveIndexConcurrently(model_name="clock", name="clock_running_by_due"),
        RemoveIndexConcurrently(model_name="clock", name="clock_open_by_lead"),
        migrations.RunSQL(
            "ALTER TABLE routing_clock DROP CONSTRAINT IF EXISTS routing_clock_key_in_tenant",
            "ALTER TABLE routing_clock ADD CONSTRAINT routing_clock_key_in_tenant UNIQUE (tenant_id, id)",
        ),
        # For new pages; those that are full get room as clocks end and are vacuumed.
        migrations.RunSQL(
            "ALTER TABLE routing_clock SET (fillfactor = 75)", "ALTER TABLE routing_clock RESET (fillfactor)"
        ),
    ]
