import django.db.models.deletion
from django.db import migrations, models

import tenancy.fields
from tenancy.row_security import SecureTenantTables

# Whose contacts a campaign's signs recognise, in its period: of the first contact on the lead, of later ones in their rows. Asked as
# whoever asks, so that row security holds; what it is asked for (a campaign, a lead) is pushed down to the indexes.
_PERIOD = """
    (campaign.starts_on IS NULL OR {at} >= campaign.starts_on::timestamp AT TIME ZONE tenant.time_zone)
    AND (campaign.ends_on IS NULL OR {at} < (campaign.ends_on + 1)::timestamp AT TIME ZONE tenant.time_zone)
"""
_BRANCH = """
    SELECT sign.tenant_id, sign.campaign_id, {lead} AS lead, {at} AS contact_at, {is_first} AS is_first
    FROM insights_campaignsign sign
    JOIN insights_campaign campaign ON campaign.tenant_id = sign.tenant_id AND campaign.id = sign.campaign_id
    JOIN tenancy_tenant tenant ON tenant.id = sign.tenant_id
    JOIN {table} contact ON contact.tenant_id = sign.tenant_id AND {matched}
    WHERE sign.campaign_value IS {named} NULL
      AND (sign.medium IS NULL OR contact.medium = sign.medium) AND {period}
"""
_MATCHES = (
    (
        "NOT",
        "contact.campaign = sign.campaign_value AND (sign.origin IS NULL OR contact.origin = sign.origin)",
    ),
    ("", "contact.origin = sign.origin"),
)
_TABLES = (
    ("leads_lead", "contact.id", "contact.created_at", "true"),
    ("leads_touch", "contact.lead_id", "contact.at", "false"),
)
_CONTACTS = " UNION ALL ".join(
    _BRANCH.format(
        table=table,
        lead=lead,
        at=at,
        is_first=is_first,
        named=named,
        matched=matched,
        period=_PERIOD.format(at=at),
    )
    for table, lead, at, is_first in _TABLES
    for named, matched in _MATCHES
)
CONTACTS = f"""
CREATE VIEW insights_campaignlead WITH (security_invoker = true) AS
SELECT tenant_id, campaign_id, campaign_id::text AS key, lead, min(contact_at) AS contact_at, bool_or(is_first) AS is_first
FROM ({_CONTACTS}) contacts
GROUP BY tenant_id, campaign_id, lead
"""  # noqa: S608


class Migration(migrations.Migration):
    dependencies = [
        ("insights", "0001_operation_counts"),
        ("tenancy", "0003_suspend_and_delete"),
        ("leads", "0014_exports"),
    ]

    operations = [
        migrations.CreateModel(
            name="Campaign",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                ("starts_on", models.DateField(blank=True, null=True, verbose_name="first day")),
                ("ends_on", models.DateField(blank=True, null=True, verbose_name="last day")),
                ("note", models.TextField(blank=True, verbose_name="note")),
                ("created_at", models.DateTimeField()),
                (
                    "owner",
                    tenancy.fields.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        loose=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="tenancy.membership",
                        verbose_name="owner",
                    ),
                ),
                (
                    "tenant",
                    tenancy.fields.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        loose=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenancy.tenant",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CampaignSign",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("campaign_value", models.CharField(max_length=200, null=True)),
                ("origin", models.CharField(max_length=120, null=True)),
                ("medium", models.CharField(max_length=120, null=True)),
                (
                    "campaign",
                    tenancy.fields.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        loose=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="signs",
                        to="insights.campaign",
                    ),
                ),
                (
                    "tenant",
                    tenancy.fields.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        loose=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenancy.tenant",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CampaignSpend",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("spent_on", models.DateField(verbose_name="day")),
                ("is_month", models.BooleanField(default=False)),
                ("amount_minor", models.BigIntegerField(verbose_name="amount")),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                ("created_at", models.DateTimeField()),
                (
                    "campaign",
                    tenancy.fields.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        loose=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="spends",
                        to="insights.campaign",
                    ),
                ),
                (
                    "tenant",
                    tenancy.fields.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        loose=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenancy.tenant",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.UniqueConstraint(
                fields=("tenant", "name"), name="campaign_name_unique_per_tenant"
            ),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("starts_on__isnull", True),
                    ("ends_on__isnull", True),
                    ("ends_on__gte", models.F("starts_on")),
                    _connector="OR",
                ),
                name="campaign_ends_after_it_starts",
            ),
        ),
        migrations.AddIndex(
            model_name="campaignsign",
            index=models.Index(fields=["tenant", "campaign"], name="campaign_sign_by_campaign"),
        ),
        migrations.AddConstraint(
            model_name="campaignsign",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("campaign_value__isnull", False), ("origin__isnull", False), _connector="OR"
                ),
                name="campaign_sign_says_something",
            ),
        ),
        migrations.AddIndex(
            model_name="campaignspend",
            index=models.Index(fields=["tenant", "campaign", "-spent_on"], name="campaign_spend_by_day"),
        ),
        migrations.AddConstraint(
            model_name="campaignspend",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gte", 0)), name="campaign_spend_from_zero"
            ),
        ),
        SecureTenantTables(only=("Campaign", "CampaignSign", "CampaignSpend")),
        migrations.RunSQL(CONTACTS, "DROP VIEW insights_campaignlead"),
    ]
