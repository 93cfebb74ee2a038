"""The lead's employer."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenancy.fields import TenantModel


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
        indexes = [models.Index(fields=["tenant", "name_key", "id"], name="company_by_name")]

    def __str__(self) -> str:
        return self.name or self.domain or ""
