from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0014_exports")]

    operations = [
        migrations.AddField(
            model_name="submission",
            name="is_spam",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
