"""Changing one known lead: its fields are read as intake reads them, but here a blank can erase and tags are replaced."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import Q
from django.utils.translation import gettext as _

from leads.capture import writing
from leads.capture.companies import attach_companies
from leads.capture.fields import MAX_TAG, MAX_TAGS, make_sort_key, read_submission
from leads.capture.intake import Intake, full_name, merge, update_leads
from leads.capture.rules import open_rules
from leads.models import Lead, LeadAlias, LeadTag
from leads.pipeline import Reason, ReasonCode, lock_leads, run_pipeline
from leads.selectors import LeadNotFound, is_lead_id
from tenancy.errors import Conflict, FieldProblem, Invalid
from tenancy.models import Membership, Tenant
from tenancy.rights import require

# What can be taken away again; how a lead was first touched stays.
ERASABLE: Final = frozenset(
    {*("email", "phone", "first_name", "last_name", "job_title", "seniority"), *("country", "state", "city")}
)
_IDENTITIES: Final = ("external_id", "email")


class IdentityTaken(Conflict):
    """Another lead has this e-mail or external id."""


def edit_lead(
    *,
    lead_id: int,
    values: Mapping[str, Any],
    erase: Iterable[str] = (),
    tenant: Tenant,
    by: Membership,
    now: datetime,
) -> bool:
    """Write fields of a lead, as intake's JSON gives them, and take away those named in ``erase`` (of ERASABLE).

    Returns whether anything changed; then the pipeline has run. Raises LeadNotFound, NotAllowed, Invalid naming each field
    that cannot be read, IdentityTaken.
    """
    require(by, "lead.edit")
    known = _lock(lead_id)
    rules = open_rules(tenant=tenant)
    given, problems = read_submission(document=values, rules=rules, now=now)
    if problems:
        raise Invalid(_("Some fields cannot be kept."), errors=problems)
    _check_identity(lead_id, given)
    row = Intake(given, lead_id=lead_id, known=_without(known, ERASABLE.intersection(erase)))
    if row.known != known:
        # Writing the merged row writes what was taken away, too.
        merged, _is_touch = merge(row.known or {}, given)
        writing.update_leads([merged])
        row.touch()
    else:
        update_leads([row], now)
    attach_companies([row])
    writing.write_custom_values([row])
    writing.write_consents([row], now)
    if row.outcome != "unchanged":
        run_pipeline(lead_ids=[lead_id], reason=Reason(ReasonCode.ACT, actor_id=by.pk), now=now)
    return row.outcome != "unchanged"


def _lock(lead_id: int) -> dict[str, Any]:
    if not is_lead_id(lead_id) or not lock_leads([lead_id]):
        raise LeadNotFound(_("There is no such lead."))
    columns = ("id", "company_id", *writing.LEAD_COLUMNS)
    known: dict[str, Any] = Lead.objects.filter(pk=lead_id).values(*columns).get()
    return known


def _without(known: dict[str, Any], erased: Iterable[str]) -> dict[str, Any]:
    """The lead without these fields; who has neither identity, phone nor name left keeps them."""
    names = set(erased)
    kept = known | dict.fromkeys(names)
    if "email" in names:
        kept["email_kind"] = None
    if names & {"first_name", "last_name"} and known["name"] == full_name(known):
        kept["name"] = full_name(kept)
        kept["name_key"] = make_sort_key(kept["name"]) if kept["name"] else None
    return kept if any(kept[name] for name in (*_IDENTITIES, "phone", "name")) else known


def _check_identity(lead_id: int, given: Any) -> None:
    for name in _IDENTITIES:
        value = getattr(given, name)
        other = _find_by(name, value) if value else None
        if other is not None and other != lead_id:
            message = _("Lead %(id)s has it.") % {"id": other}
            raise IdentityTaken(message, errors=[FieldProblem(name, "other_lead", message)])


def _find_by(name: str, value: str) -> int | None:
    """The lead that has an identity, or of which one that had it is a part."""
    own = Lead.objects.filter(Q((name, value))).values_list("pk", flat=True).first()
    alias = LeadAlias.objects.filter(kind=name, value=value).values_list("lead", flat=True)
    found: int | None = own or alias.first()
    return found


def change_tags(*, lead_id: int, tags: Sequence[str], by: Membership, now: datetime) -> None:
    """Replace a lead's tags. Raises LeadNotFound, NotAllowed, Invalid."""
    require(by, "lead.edit")
    _lock(lead_id)
    wanted = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    if len(wanted) > MAX_TAGS or any(len(tag) > MAX_TAG or "\x00" in tag for tag in wanted):
        message = _("Give at most %(count)s tags of at most %(length)s characters.") % {
            "count": MAX_TAGS,
            "length": MAX_TAG,
        }
        raise Invalid(message, errors=[FieldProblem("tags", "invalid", message)])
    present = set(LeadTag.objects.filter(lead=lead_id).values_list("tag", flat=True))
    if present == set(wanted):
        return
    gone = present.difference(wanted)
    LeadTag.objects.filter(lead=lead_id, tag__in=gone).delete()
    LeadTag.objects.bulk_create(LeadTag(lead_id=lead_id, tag=tag) for tag in wanted if tag not in present)
    run_pipeline(lead_ids=[lead_id], reason=Reason(ReasonCode.ACT, actor_id=by.pk), now=now)
