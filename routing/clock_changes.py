"""The administrator's changes of clocks: each is a new version of the policies, published at once.

Clocks that run keep the policy they began with; a changed one holds for those that start from now on.
"""

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from leads.document_changes import change_document, read_published
from leads.models import RuleKind
from routing.defaults import default_clocks
from routing.models import Clock, ClockKind, ClockState
from routing.policies import duration_in_words, parse_clocks
from tenancy.audit import record
from tenancy.models import Membership

# Running clocks are counted up to here.
COUNTED: Final = 1000


def read_policies() -> dict[ClockKind, dict[str, Any]]:
    """The published policies by kind, as the document has them; a kind that is not run is left out."""
    document = read_published(kind=RuleKind.CLOCKS, default=default_clocks())
    return {ClockKind(policy["kind"]): policy for policy in document["policies"]}


def count_running(*, kind: ClockKind) -> int:
    """How many clocks of a kind run now; one more than ``COUNTED`` means more."""
    running = Clock.objects.filter(kind=kind, state=ClockState.RUNNING).order_by()
    return int(running[: COUNTED + 1].count())


def change_policy(
    *, kind: ClockKind, policy: Mapping[str, Any] | None, by: Membership | None, now: datetime
) -> bool:
    """Run a kind of clock by this policy from now on, or (None) start none any more; whether that is anything new.

    Raises InvalidDocument, and DraftInTheWay while there is a draft of the clocks.
    """

    def changed(document: dict[str, Any]) -> dict[str, Any]:
        others = [copy.deepcopy(each) for each in document["policies"] if each["kind"] != kind]
        kept = [*others, {"kind": kind.value, **policy}] if policy is not None else others
        order = list(ClockKind.values)
        return {"policies": sorted(kept, key=lambda each: order.index(each["kind"]))}

    version = change_document(kind=RuleKind.CLOCKS, change=changed, default=default_clocks(), by=by, now=now)
    if version is None:
        return False
    if policy is None:
        record(act="clock.switched_off", subject=str(kind.label), by=by, now=now, detail={"kind": kind.value})
    else:
        parsed = parse_clocks(version.document).policies[kind]
        detail = {
            "kind": kind.value,
            "duration": duration_in_words(parsed.duration),
            "version": version.number,
        }
        record(act="clock.changed", subject=str(kind.label), by=by, now=now, detail=detail)
    return True
