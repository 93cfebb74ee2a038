"""What narrows the list of leads, in words: filter by filter, or in a line."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from leads.conditions.describe import describe_condition
from leads.listing import MYSELF, LeadListQuery
from leads.matching import NOBODY
from leads.models import Grade
from tenancy.listing import FilterChip, show_number
from tenancy.models import Membership


def filter_chips(query: LeadListQuery, given: Mapping[str, str]) -> list[FilterChip]:
    """Each filter that is on; ``given`` is the address that was read as ``query``."""
    chips = []
    if query.condition is not None:
        chips.append(FilterChip(label=describe_condition(query.condition), without=["filter"]))
    if query.owner is not None:
        chips.append(FilterChip(label=_owner_words(query.owner, given.get("owner", "")), without=["owner"]))
    if query.origin is not None:
        chips.append(
            FilterChip(label=_("Origin: %(origin)s") % {"origin": given["origin"]}, without=["origin"])
        )
    if query.score_min is not None:
        chips.append(
            FilterChip(label=_("Score from %(score)s") % {"score": query.score_min}, without=["score_min"])
        )
    if query.grade_min is not None:
        label = _("Grade from %(grade)s") % {"grade": Grade(query.grade_min).label}
        chips.append(FilterChip(label=label, without=["grade_min"]))
    if query.lead_ids is not None:
        words = ngettext("%(count)s marked lead", "%(count)s marked leads", len(query.lead_ids))
        chips.append(FilterChip(label=words % {"count": show_number(len(query.lead_ids))}, without=["ids"]))
    if query.deed is not None:
        chips.append(FilterChip(label=query.deed.words, without=["did"]))
    for name, value in (("email", query.email), ("external_id", query.external_id)):
        if value is not None:
            chips.append(FilterChip(label=f"{name}: {value}", without=[name]))
    return chips


def filter_words(query: LeadListQuery, given: Mapping[str, str]) -> str:
    """What narrows a list, in a line; empty for all leads."""
    words = [str(stage.label) for stage in query.stages]
    words += [f"“{query.q}”"] if query.q else []
    return " · ".join([*words, *(str(chip.label) for chip in filter_chips(query, given))])


def _owner_words(owner: int | str, given: str) -> str:
    if owner == NOBODY:
        return _("Nobody responsible")
    if given == MYSELF:
        return _("Mine")
    name = Membership.objects.filter(pk=owner).values_list("name", flat=True).first()
    return _("Owner: %(name)s") % {"name": name or given}
