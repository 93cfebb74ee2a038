"""Facts about one event, for conditions inside ``where`` and for rules that score events."""

import re
from functools import partial
from typing import Any

from django.db.models import DecimalField, F, TextField
from django.utils.translation import gettext_lazy as _

from leads.conditions.facts import EVENT, Fact, Vocabulary
from leads.conditions.logic import Bind, Fragment, JsonText
from leads.conditions.operators import FactType

EVENT_GROUP = _("Event")

_PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# A text that is no plain number reads as unknown; no value can make the cast fail.
_AS_NUMBER = r"CASE WHEN {} ~ '^\s*-?\d{{1,18}}(\.\d{{1,18}})?\s*$' THEN ({})::numeric(36, 18) END"


def register_event_facts(vocabulary: Vocabulary = EVENT) -> None:
    """Make the facts about an event known; called once, when the app is ready."""
    vocabulary.register(
        Fact(
            key="type",
            label=_("Type"),
            group=EVENT_GROUP,
            type=FactType.TEXT,
            expression=partial(F, "type"),
            is_fast=True,
            is_always_known=True,
        )
    )
    vocabulary.register(
        Fact(
            key="occurred_at",
            label=_("Time"),
            group=EVENT_GROUP,
            type=FactType.DATETIME,
            expression=partial(F, "occurred_at"),
            is_fast=True,
            is_always_known=True,
        )
    )
    vocabulary.register_family(PropertyFacts())


class PropertyFacts:
    """``properties.NAME``: what came with the event. An absent, null or empty property is unknown."""

    prefix = "properties."
    label = _("Property")
    is_open = True

    def find(self, name: str) -> Fact | None:
        """Any well-formed name: properties are open."""
        if not _PROPERTY.fullmatch(name):
            return None
        return Fact(
            key=f"{self.prefix}{name}",
            label=name,
            group=EVENT_GROUP,
            type=FactType.PROPERTY,
            expression=partial(_text, name),
            number=partial(_number, name),
        )

    def facts(self) -> list[Fact]:
        """None is listed: a name is typed."""
        return []


def _text(name: str) -> JsonText:
    return JsonText(F("properties"), Bind(name, TextField()))


def _number(name: str) -> Fragment:
    number: DecimalField[Any, Any] = DecimalField(max_digits=36, decimal_places=18)
    return Fragment(_AS_NUMBER, _text(name), _text(name), output_field=number)
