import django.db.models.deletion
from django.db import migrations, models

import tenancy.fields
from tenancy.row_security import SecureTenantTables


class Migration(migrations.Migration):
    dependencies = [
        ("insights", "0002_campaigns"),
        ("tenancy", "0003_suspend_and_delete"),
    ]

    operations = [
        migrations.CreateModel(
            name="CampaignTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("is_any", models.BooleanField()),
                ("counted_at", models.DateTimeField()),
                ("took_ms", models.IntegerField()),
                ("touched", models.BigIntegerField()),
                ("brought", models.BigIntegerField()),
                ("leads", models.BigIntegerField()),
                ("reached", models.JSONField()),
                ("revenue_minor", models.BigIntegerField()),
                ("others", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "campaign",
                    tenancy.fields.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        loose=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tallies",
                        to="insights.campaign",
                    ),
                ),
                (
                    "tenant",
                    tenancy.fields.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        loose=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenancy.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "campaign", "is_any"), name="campaign_tally_once"
                    )
                ],
            },
        ),
        SecureTenantTables(only=("CampaignTally",)),
    ]
