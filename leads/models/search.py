"""The text by which a lead is found."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Func

from leads.models.lead import Lead
from tenancy.fields import TenantKey, TenantModel, TenantOneToOneField


class LeadSearch(TenantModel):
    """What people type to find a lead: name, e-mail, external id, phone, company; folded, words apart by one blank.

    A row of its own, so that the index of its many parts is written only when one of these changes.
    """

    tenant = TenantKey(loose=True)
    lead = TenantOneToOneField(Lead, on_delete=models.CASCADE, primary_key=True, related_name="search")
    # Begins with a blank, so that every word does.
    text = models.TextField()
    # The lead's, kept in step by the database.
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            # The spans of creation say the tenant, too: a small one would wade through the matches of a large one. What waits to
            # be sorted into the index, at most 8 MB of some 4,000 leads, is read by every search, which takes up to 3 ms; who
            # makes the next lead sorts it in, which takes 0.1 s, or 0.2 where the index is not in memory.
            GinIndex(
                Func(F("tenant"), F("created_at"), function="leadsys_search_spans"),
                OpClass(F("text"), "gin_trgm_ops"),
                gin_pending_list_limit=8192,
                name="lead_search_spans",
            ),
        ]
