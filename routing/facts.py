"""What conditions may ask about clocks."""

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from leads.conditions.facts import LEAD, Choice, Fact, Rows, Vocabulary
from leads.conditions.lead_facts import STANDING
from leads.conditions.operators import FactType
from routing.clocks import STAGE_OF_KIND
from routing.models import OPEN_STATES, Clock, ClockKind, ClockState

OPEN_CLOCK: Final = "open_clock"
OPEN_CLOCK_KIND: Final = "open_clock_kind"
# The last share of the time, in per cent, of which somebody was warned: 0 before the first warning.
OPEN_CLOCK_WARNED: Final = "open_clock_warned"
BROKEN: Final = {"fact": OPEN_CLOCK, "op": "eq", "value": ClockState.BROKEN.value}


def _open_clocks() -> Any:
    return Clock.objects.filter(state__in=OPEN_STATES)


# A lead waits in one stage at a time, and a clock belongs to a stage: it has one open clock at most.
_CLOCKS: Final = Rows(_open_clocks, "state")
_KINDS: Final = Rows(_open_clocks, "kind")
_WARNED: Final = Rows(_open_clocks, "level")
_STAGES: Final = frozenset(stage.value for stage in STAGE_OF_KIND.values())


def register_clock_facts(vocabulary: Vocabulary = LEAD) -> None:
    """Make them known; called once, when the app is ready."""
    vocabulary.register(
        Fact(
            key=OPEN_CLOCK,
            label=_("Open clock"),
            group=STANDING,
            type=FactType.CHOICE,
            expression=_CLOCKS.value,
            rows=_CLOCKS,
            choices=lambda: [
                Choice(state.value, state.label) for state in (ClockState.RUNNING, ClockState.BROKEN)
            ],
            is_fast=True,
            stages=_STAGES,
        )
    )
    vocabulary.register(
        Fact(
            key=OPEN_CLOCK_KIND,
            label=_("Kind of the open clock"),
            group=STANDING,
            type=FactType.CHOICE,
            expression=_KINDS.value,
            rows=_KINDS,
            stages=_STAGES,
            choices=lambda: [Choice(kind.value, kind.label) for kind in ClockKind],
        )
    )
    vocabulary.register(
        Fact(
            key=OPEN_CLOCK_WARNED,
            label=_("Open clock: share of its time that was warned of, in per cent"),
            group=STANDING,
            type=FactType.INTEGER,
            expression=_WARNED.value,
            rows=_WARNED,
            stages=_STAGES,
        )
    )
