from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

ORDER = ["clock_due_at", "-grade", "-score", "lead"]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0008_when_the_clock_is_due")]

    operations = [
        AddIndexConcurrently(
            model_name="leadstate",
            index=models.Index(
                fields=["tenant", "owner_sdr", *ORDER],
                condition=models.Q(owner_sdr__isnull=False, stage__in=["mql", "working"]),
                name="lead_state_queue_own",
            ),
        ),
        AddIndexConcurrently(
            model_name="leadstate",
            index=models.Index(
                fields=["tenant", "team_sdr", *ORDER],
                condition=models.Q(owner_sdr__isnull=True, stage__in=["mql", "working"]),
                name="lead_state_queue_free",
            ),
        ),
        AddIndexConcurrently(
            model_name="leadstate",
            index=models.Index(
                fields=["tenant", "owner_sales", *ORDER],
                condition=models.Q(owner_sales__isnull=False, stage="sql"),
                name="lead_state_inbox_own",
            ),
        ),
        AddIndexConcurrently(
            model_name="leadstate",
            index=models.Index(
                fields=["tenant", "team_sales", *ORDER],
                condition=models.Q(owner_sales__isnull=True, stage="sql"),
                name="lead_state_inbox_free",
            ),
        ),
    ]
