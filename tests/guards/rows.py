"""A row of any tenant-owned table, made from what its model says."""

from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import IntegrityError, models

from leads.models import Lead, LeadState
from tenancy.fields import TenantKey
from tests.conftest import NOW

_numbers = count(1000)

# Fields that may be empty but not all of them. Add to it when a new model's constraints refuse the plain row.
ALSO: dict[str, set[str]] = {
    "insights.CampaignSign": {"campaign_value"},
    "leads.CustomValue": {"text_value"},
    "leads.Event": {"lead"},
}


def tenant_owned() -> list[type[models.Model]]:
    """Every model whose rows belong to a tenant."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if any(isinstance(field, TenantKey) for field in model._meta.local_fields)
    ]


def make_row(model: type[models.Model], made: dict[type[models.Model], models.Model]) -> models.Model:
    """A row of the model in the current tenant, with the rows it refers to; ``made`` keeps one of each.

    A row that the tenant has already, such as one of the default pack, will do.
    """
    if model not in made and (found := model._default_manager.first()) is not None:
        made[model] = found
    if model not in made:
        also = ALSO.get(model._meta.label, set())
        values = {
            field.attname: _value(field, made)
            for field in model._meta.local_concrete_fields
            if field.name in also or _is_needed(field)
        }
        try:
            made[model] = model._default_manager.create(**values)
        except IntegrityError as error:
            raise AssertionError(f"Say in ALSO which fields {model._meta.label} needs: {error}") from error
        if model is Lead:  # none is without its standing
            make_row(LeadState, made)
    return made[model]


def _is_needed(field: Any) -> bool:
    is_filled = field.has_default() or field.null or getattr(field, "generated", False)
    is_own_key = field.primary_key and not field.is_relation
    return not (is_filled or is_own_key or isinstance(field, TenantKey))


def _value(field: Any, made: dict[type[models.Model], models.Model]) -> Any:
    if field.is_relation:
        return make_row(field.related_model, made).pk
    if field.choices:
        return field.choices[0][0]
    number = next(_numbers)
    plain: list[tuple[type[Any], Any]] = [
        (models.EmailField, f"row{number}@x.test"),
        (models.CharField, f"x{number}"[: getattr(field, "max_length", None) or 20]),
        (models.TextField, f"x{number}"),
        (models.BooleanField, True),
        (models.DateTimeField, NOW + timedelta(seconds=number)),
        (models.DateField, NOW.date()),
        (models.TimeField, NOW.time()),
        (models.DurationField, timedelta(hours=1)),
        (models.DecimalField, Decimal(1)),
        (models.SmallIntegerField, 1),
        (models.IntegerField, number),
        (models.UUIDField, uuid4()),
        (models.BinaryField, b"x"),
        (models.JSONField, {}),
        (ArrayField, []),
    ]
    return next(value for kind, value in plain if isinstance(field, kind))
