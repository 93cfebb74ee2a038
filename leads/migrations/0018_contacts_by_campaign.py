from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0017_acts_on_many_leads")]

    operations = [
        AddIndexConcurrently(
            model_name="lead",
            index=models.Index(
                fields=["tenant", "campaign"],
                condition=models.Q(campaign__isnull=False),
                name="lead_by_campaign",
            ),
        ),
        AddIndexConcurrently(
            model_name="touch",
            index=models.Index(
                fields=["tenant", "campaign", "lead"],
                condition=models.Q(campaign__isnull=False),
                name="touch_by_campaign",
            ),
        ),
        AddIndexConcurrently(
            model_name="touch",
            index=models.Index(
                fields=["tenant", "origin", "lead"],
                condition=models.Q(origin__isnull=False),
                name="touch_by_origin",
            ),
        ),
    ]
