"""Custom fields of a tenant and their typed values."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from leads.models.lead import Lead
from tenancy.fields import TenantForeignKey, TenantKey, TenantModel


class CustomType(models.TextChoices):
    TEXT = "text", _("Text")
    INTEGER = "integer", _("Whole number")
    DECIMAL = "decimal", _("Decimal number")
    DATE = "date", _("Date")


class CustomField(TenantModel):
    """A field of the tenant's own, known to conditions as ``custom.NAME``; retired, not renamed."""

    name = models.CharField(_("name"), max_length=63)
    label = models.CharField(_("label"), max_length=120)
    type = models.CharField(_("type"), max_length=7, choices=CustomType.choices)
    # The only values that a text may have, in the order in which they are offered; null for any text.
    choices = models.JSONField(_("choices"), null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="custom_field_name_unique_per_tenant")
        ]


class CustomValue(TenantModel):
    """One value of one custom field of one lead, in the column of the field's type."""

    tenant = TenantKey(loose=True)
    lead = TenantForeignKey(Lead, on_delete=models.CASCADE, related_name="custom_values")
    field = TenantForeignKey(CustomField, on_delete=models.CASCADE, related_name="values")
    text_value = models.CharField(max_length=1000, null=True)
    integer_value = models.BigIntegerField(null=True)
    # Millionths: integers compare by leakproof operators, numeric does not.
    decimal_value = models.BigIntegerField(null=True)
    date_value = models.DateField(null=True)
    # The lead's, kept in step by the database.
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "lead", "field"], name="custom_value_once"),
            models.CheckConstraint(
                condition=models.Q(text_value__isnull=False)
                | models.Q(integer_value__isnull=False)
                | models.Q(decimal_value__isnull=False)
                | models.Q(date_value__isnull=False),
                name="custom_value_present",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "field", f"{type_}_value", "-created_at", "-lead"],
                condition=models.Q((f"{type_}_value__isnull", False)),
                name=f"custom_value_{type_}_newest",
            )
            for type_ in CustomType.values
        ]
