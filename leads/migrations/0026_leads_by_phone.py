from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0025_deals_and_events_by_files")]

    operations = [
        AddIndexConcurrently(
            model_name="lead",
            index=models.Index(
                condition=models.Q(("phone__isnull", False)),
                fields=["tenant", "phone"],
                name="lead_by_phone",
            ),
        ),
    ]
