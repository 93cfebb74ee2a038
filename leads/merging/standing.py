"""How the survivor of a merge stands: in the stage of whichever lead is further, with what belongs to that visit to the stage."""

from typing import Final

from leads.merging.fields import Side
from leads.merging.records import Row
from leads.models import Stage

# Further to the right wins; of two leads in one stage the survivor's visit goes on.
_RANK: Final = {
    stage.value: rank
    for rank, stage in enumerate(
        (
            Stage.DISQUALIFIED,
            Stage.NEW,
            Stage.NURTURE,
            Stage.MARKETING_QUALIFIED,
            Stage.WORKING,
            Stage.SALES_QUALIFIED,
            Stage.OPPORTUNITY,
            Stage.CUSTOMER,
        )
    )
}
# What belongs to the visit to a stage.
VISIT: Final = (
    *(
        "stage",
        "stage_at",
        "stage_act",
        "stage_reason",
        "claimed_until",
        "asked_for_contact_at",
        "enrolled_at",
    ),
    *("live_since", "clock_due_at", "told_owner_id", "told_stage_at"),
)
_RESPONSIBLE: Final = (
    ("owner_marketing_id",),
    ("owner_sdr_id", "kept_sdr_id", "team_sdr_id"),
    ("owner_sales_id", "kept_sales_id", "team_sales_id"),
)


def leading_side(survivor: Row, loser: Row, *, open_deals: set[Side]) -> Side:
    """Whose stage stays. Whoever has an open opportunity is worked on, however far the other once came."""
    if len(open_deals) == 1:
        return next(iter(open_deals))
    return "loser" if _RANK[loser["stage"]] > _RANK[survivor["stage"]] else "survivor"


def merged_state(survivor: Row, loser: Row, *, leading: Side) -> Row:
    """The columns of the survivor's standing that change, with their values. Score and grade are the pipeline's."""
    first, second = (survivor, loser) if leading == "survivor" else (loser, survivor)
    merged = dict(survivor) | {column: first[column] for column in VISIT}
    merged["live_since"] = first["live_since"] or second["live_since"]
    merged["furthest_stage"] = max(survivor["furthest_stage"], loser["furthest_stage"])
    for column in ("last_event_at", "last_positive_at"):
        merged[column] = max((row[column] for row in (survivor, loser) if row[column]), default=None)
    for columns in _RESPONSIBLE:
        source = first if any(first[column] is not None for column in columns) else second
        merged |= {column: source[column] for column in columns}
    return {column: value for column, value in merged.items() if value != survivor[column]}
