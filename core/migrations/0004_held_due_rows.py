from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Held rows are few among millions that wait: counting them must not read the others."""

    atomic = False
    dependencies = [("core", "0003_processes")]

    operations = [
        AddIndexConcurrently(
            model_name="duerow",
            index=models.Index(
                fields=["tenant", "kind"],
                condition=models.Q(("held_at__isnull", False)),
                name="due_row_held",
            ),
        ),
    ]
