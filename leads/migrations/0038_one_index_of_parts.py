from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0037_search_in_order_of_creation")]

    operations = [RemoveIndexConcurrently(model_name="leadsearch", name="lead_search_parts")]
