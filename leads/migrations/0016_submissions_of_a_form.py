from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0015_spam_of_forms")]

    operations = [
        AddIndexConcurrently(
            model_name="submission",
            index=models.Index(
                fields=["tenant", "form", "-received_at", "-id"],
                include=["state", "response_status", "is_spam"],
                condition=models.Q(form__isnull=False),
                name="submission_by_form",
            ),
        ),
    ]
