"""A due row is known by its kind and subject. The number that it had besides was looked for by nobody, and each move of a row to
another time cost an entry in the index of these numbers.

The column of the numbers stays as long as the version before may still be running, which writes it.
"""

from django.db import migrations, models

IDENTITY = "core_duerow_identity"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("core", "0012_saved_views")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                # What an attempt that was broken off has left is in the way of the next one.
                migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {IDENTITY}", migrations.RunSQL.noop),
                migrations.RunSQL(
                    f"CREATE UNIQUE INDEX CONCURRENTLY {IDENTITY} ON core_duerow (tenant_id, kind, subject)",
                    f"DROP INDEX CONCURRENTLY IF EXISTS {IDENTITY}",
                ),
                # The key that the index becomes takes its name.
                migrations.RunSQL(
                    "ALTER TABLE core_duerow DROP CONSTRAINT core_duerow_pkey, DROP CONSTRAINT due_row_once_per_subject,"
                    f" ADD CONSTRAINT core_duerow_pkey PRIMARY KEY USING INDEX {IDENTITY}",
                    "ALTER TABLE core_duerow DROP CONSTRAINT core_duerow_pkey, ADD CONSTRAINT core_duerow_pkey PRIMARY KEY (id),"
                    " ADD CONSTRAINT due_row_once_per_subject UNIQUE (tenant_id, kind, subject)",
                ),
            ],
            state_operations=[
                migrations.RemoveConstraint("duerow", "due_row_once_per_subject"),
                migrations.RemoveField("duerow", "id"),
                migrations.AddField(
                    "duerow",
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
                        "kind",
                        "subject",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
        ),
    ]
