"""The lead's employer."""

from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenancy.fields import TenantForeignKey, TenantModel


class Company(TenantModel):
    """A company, found by CNPJ, then domain, then normalised name; one known by none of them belongs to its lead alone."""

    name = models.CharField(_("name"), max_length=200, null=True)
    # Accents and case removed: sorts as people expect and finds the company again.
    name_key = models.CharField(max_length=200, null=True)
    domain = models.CharField(_("domain"), max_length=253, null=True)
    cnpj = models.CharField(_("CNPJ"), max_length=14, null=True)
    size = models.IntegerField(_("number of people"), null=True)
    revenue_minor = models.BigIntegerField(_("yearly revenue"), null=True)
    industry = models.CharField(_("industry"), max_length=120, null=True)
    # Given by hand: what forms, files and the API call it otherwise does not rename it.
    is_named_by_hand = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "cnpj"],
                condition=models.Q(cnpj__isnull=False),
                name="company_cnpj_unique_per_tenant",
            ),
            models.UniqueConstraint(
                fields=["tenant", "domain"],
                condition=models.Q(domain__isnull=False),
                name="company_domain_unique_per_tenant",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "name_key", "id"], name="company_by_name"),
            models.Index(
                "tenant", Coalesce("name_key", "domain", models.Value("")), "id", name="company_in_order"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.domain or ""


class CompanyFormerName(TenantModel):
    """What a company was called before it was renamed by hand: rows that still call it so are about it."""

    company = TenantForeignKey(Company, on_delete=models.CASCADE, related_name="former_names")
    name_key = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name_key", "company"], name="company_former_name_once")
        ]
        indexes = [models.Index(fields=["tenant", "company"], name="company_former_name_of")]
