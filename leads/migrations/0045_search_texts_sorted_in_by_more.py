"""What waits to be sorted into the index of search texts may be more: sorting in much at once takes less for each lead."""

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0044_runs_keep_their_language")]

    operations = [
        migrations.SeparateDatabaseAndState(
            # A setting of the index: nothing is read or written anew.
            database_operations=[
                migrations.RunSQL(
                    "ALTER INDEX lead_search_spans SET (gin_pending_list_limit = 8192)",
                    "ALTER INDEX lead_search_spans SET (gin_pending_list_limit = 1024)",
                )
            ],
            state_operations=[
                migrations.RemoveIndex(model_name="leadsearch", name="lead_search_spans"),
                migrations.AddIndex(
                    model_name="leadsearch",
                    index=django.contrib.postgres.indexes.GinIndex(
                        models.Func(
                            models.F("tenant"), models.F("created_at"), function="leadsys_search_spans"
                        ),
                        django.contrib.postgres.indexes.OpClass(models.F("text"), "gin_trgm_ops"),
                        gin_pending_list_limit=8192,
                        name="lead_search_spans",
                    ),
                ),
            ],
        ),
    ]
