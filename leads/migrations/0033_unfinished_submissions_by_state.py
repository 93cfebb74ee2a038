from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Every page says how many submissions are held; those that only wait to be processed can be very many."""

    atomic = False
    dependencies = [("leads", "0032_lists_as_files")]

    operations = [
        AddIndexConcurrently(
            model_name="submission",
            index=models.Index(
                fields=["tenant", "state", "id"],
                condition=models.Q(("state__in", ["received", "held"])),
                name="submission_unfinished_by_state",
            ),
        ),
        RemoveIndexConcurrently(model_name="submission", name="submission_unfinished"),
    ]
