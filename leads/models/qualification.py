"""Answers to qualification questions."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantModel
from tenancy.models import Membership


class Answer(TenantModel):
    """The current answer to one question of one framework; met is null while it is not known."""

    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="answers")
    framework = models.CharField(max_length=32)
    question = models.CharField(max_length=32)
    met = models.BooleanField(_("met"), null=True)
    note = models.TextField(_("note"), blank=True)
    answered_at = models.DateTimeField()
    answered_by = TenantForeignKey(Membership, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "lead", "framework", "question"], name="answer_once_per_question"
            )
        ]
