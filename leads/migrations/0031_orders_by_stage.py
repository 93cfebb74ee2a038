from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

ORDERS = {"created": "created_at", "score": "score", "grade": "grade", "time": "stage_at"}
LISTED_BY = (*ORDERS.values(), "owner_marketing", "owner_sdr", "owner_sales")
OWNERS = ("marketing", "sdr", "sales")
SUPERSEDED = ("score", "stage_score", "stage_time", "time", "grade", *(f"owner_{owner}" for owner in OWNERS))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0030_creation_filled")]

    operations = [
        *(
            AddIndexConcurrently(
                model_name="leadstate",
                index=models.Index(
                    fields=["tenant", "stage", f"-{column}", "-lead"],
                    include=[each for each in LISTED_BY if each != column],
                    name=f"lead_state_stage_{name}",
                ),
            )
            for name, column in ORDERS.items()
        ),
        *(
            AddIndexConcurrently(
                model_name="leadstate",
                index=models.Index(
                    fields=["tenant", f"owner_{owner}", "stage", "-created_at", "-lead"],
                    include=["score", "grade", "stage_at"],
                    condition=models.Q((f"owner_{owner}__isnull", False)),
                    name=f"lead_state_of_{owner}",
                ),
            )
            for owner in OWNERS
        ),
        *(
            RemoveIndexConcurrently(model_name="leadstate", name=f"lead_state_by_{name}")
            for name in SUPERSEDED
        ),
    ]
