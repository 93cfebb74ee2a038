from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0021_companies_named_by_hand")]

    operations = [
        AddIndexConcurrently(
            model_name="company",
            index=models.Index(
                models.F("tenant"),
                Coalesce("name_key", "domain", models.Value("")),
                models.F("id"),
                name="company_in_order",
            ),
        ),
    ]
