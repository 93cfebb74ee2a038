"""Erasing many people in one act on the list of leads: each with a proof of its own, none to be taken back."""

from collections.abc import Mapping
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.bulk.kinds import SAME, Batch, BulkAct, BulkField, Result, applied, refused, register_bulk_act
from leads.erasure.erasing import MAX_GROUND, erase_people
from leads.models import Erasure, ErasureState, Lead

ERASE: Final = "erase"
# Each table is looked through once a batch, for all of them.
BATCH_SIZE: Final = 100
_YES: Final = "yes"


def _erase(batch: Batch) -> Mapping[int, Result]:
    waiting = set(
        Erasure.objects.filter(lead_number__in=batch.lead_ids, state=ErasureState.WAITING).values_list(
            "lead_number", flat=True
        )
    )
    nobody = set(list_nobody(batch.lead_ids))
    erasures = [
        Erasure(
            lead_number=lead_id,
            asked_by=batch.by,
            asked_by_name=batch.by.name,
            asked_at=batch.now,
            ground=batch.values.get("ground", ""),
            keeps_out=batch.values.get("keeps_out", _YES) == _YES,
        )
        for lead_id in batch.lead_ids
        if lead_id not in waiting | nobody
    ]
    erase_people(erasures=Erasure.objects.bulk_create(erasures), now=batch.now)
    under_way = refused(_("It is being erased already."))
    return {
        lead_id: under_way if lead_id in waiting else SAME if lead_id in nobody else applied()
        for lead_id in batch.lead_ids
    }


def list_nobody(lead_ids: list[int]) -> list[int]:
    """Those of the leads that are about nobody any more: they were erased."""
    names = ("email", "external_id", "phone", "name", "first_name", "last_name")
    nobody = Lead.objects.filter(pk__in=lead_ids, **{f"{name}__isnull": True for name in names})
    return list(nobody.values_list("pk", flat=True))


def register_erase_act() -> None:
    """Let people be erased from the list of leads. Call it when the app is ready."""
    register_bulk_act(
        BulkAct(
            key=ERASE,
            label=gettext_lazy("Erase people"),
            icon="trash",
            right="person.erase",
            order=90,
            fields=[
                BulkField(name="ground", label=gettext_lazy("Ground"), is_required=False, most=MAX_GROUND),
                BulkField(
                    name="keeps_out",
                    label=gettext_lazy("Take them in again?"),
                    choices=lambda: [
                        (_YES, gettext_lazy("No: recognised by their hashes, and refused")),
                        ("no", gettext_lazy("Yes, as new leads")),
                    ],
                ),
            ],
            run=_erase,
            words=lambda values: _("Erase people"),
            needs_hands=False,
            is_confirmed=True,
            batch_size=BATCH_SIZE,
        )
    )
