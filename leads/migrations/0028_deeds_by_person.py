from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0027_retention")]

    operations = [
        AddIndexConcurrently(
            model_name="handover",
            index=models.Index(fields=["tenant", "offered_by", "offered_at"], name="handover_by_sdr"),
        ),
        AddIndexConcurrently(
            model_name="handover",
            index=models.Index(fields=["tenant", "answered_by", "answered_at"], name="handover_by_rep"),
        ),
        AddIndexConcurrently(
            model_name="opportunity",
            index=models.Index(fields=["tenant", "sales_rep", "closed_at"], name="opportunity_by_rep"),
        ),
    ]
