from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0039_search_in_fewer_steps"),
    ]

    operations = [
        migrations.AddField(
            model_name="duplicatesearch",
            name="found",
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AddField(
            model_name="duplicatesearch",
            name="slice",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="duplicatesearch",
            name="slices",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
    ]
