"""Campaigns made and changed by people, and what was spent on them; every change is audited."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from insights.campaign_tallies import forget_tally, stop_counting
from insights.models import Campaign, CampaignSign, CampaignSpend
from leads.conditions.lead_facts import fold_origin
from leads.money import read_amount
from tenancy.audit import record, register_acts
from tenancy.errors import Conflict, FieldProblem, Invalid, NotFound
from tenancy.models import Membership, Tenant

MAX_NAME: Final = 120
MAX_NOTE: Final = 2000
MAX_SPEND_NOTE: Final = 200
MAX_SIGNS: Final = 50
MAX_CAMPAIGNS: Final = 1000
MAX_LINES: Final = 1000
_DAY: Final = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?")
_DAY_FIRST: Final = re.compile(r"(?:(\d{1,2})/)?(\d{1,2})/(\d{4})")


class NoSuchCampaign(NotFound):
    """The tenant has no such campaign."""


class NoSuchSpend(NotFound):
    """The campaign has no such entry."""


class InvalidCampaign(Invalid):
    """A campaign that cannot be as it is described; ``errors`` name the places."""


class InvalidSpend(Invalid):
    """Money spent that cannot be read; ``errors`` name the places, or the lines."""


class CampaignNameTaken(Conflict):
    """There is a campaign of this name."""


@dataclass(frozen=True)
class Sign:
    """One way to recognise a campaign: by utm_campaign, or by utm_source, with utm_medium or without; empty says nothing."""

    campaign_value: str = ""
    origin: str = ""
    medium: str = ""


@dataclass(frozen=True)
class CampaignData:
    """What a campaign is made of."""

    name: str
    signs: Sequence[Sign]
    starts_on: date | None = None
    ends_on: date | None = None
    owner: Membership | None = None
    note: str = ""


@dataclass(frozen=True)
class Spend:
    """Money spent: in minor units of the tenant's currency, on a day or in the month that begins with it."""

    spent_on: date
    is_month: bool
    amount_minor: int
    note: str = ""


def get_campaign(*, campaign_id: int) -> Campaign:
    """One campaign. Raises NoSuchCampaign."""
    found: Campaign | None = Campaign.objects.filter(pk=campaign_id).select_related("owner").first()
    if found is None:
        raise NoSuchCampaign(_("There is no such campaign."))
    return found


def list_campaigns() -> list[Campaign]:
    """Every campaign, the latest to begin first."""
    rows = Campaign.objects.select_related("owner").prefetch_related("signs")
    return sorted(rows, key=lambda row: (row.starts_on or date.min, row.pk), reverse=True)


def make_campaign(*, data: CampaignData, by: Membership | None, now: datetime) -> Campaign:
    """A new campaign. Raises InvalidCampaign, CampaignNameTaken."""
    data = _checked(data)
    if Campaign.objects.count() >= MAX_CAMPAIGNS:
        message = _("There are %(count)s campaigns already, which is as many as there may be.")
        raise InvalidCampaign(message % {"count": MAX_CAMPAIGNS})
    campaign = Campaign(created_at=now)
    _write(campaign, data)
    forget_tally(campaign_id=campaign.pk, now=now)
    record(act="campaign.made", subject=campaign.name, by=by, now=now, detail=_detail(data))
    return campaign


def change_campaign(*, campaign: Campaign, data: CampaignData, by: Membership | None, now: datetime) -> None:
    """Change a campaign; whose leads are its own follows at once. Raises InvalidCampaign, CampaignNameTaken."""
    data = _checked(data)
    before = _detail(data_of(campaign))
    if before == _detail(data):
        return
    _write(campaign, data)
    forget_tally(campaign_id=campaign.pk, now=now)
    detail = _detail(data) | {"before": before}
    record(act="campaign.changed", subject=campaign.name, by=by, now=now, detail=detail)


def delete_campaign(*, campaign: Campaign, by: Membership | None, now: datetime) -> None:
    """Delete a campaign with its spending; its leads stay."""
    detail = _detail(data_of(campaign)) | {
        "spend": [[str(each.spent_on), each.amount_minor] for each in campaign.spends.order_by("spent_on")]
    }
    name = campaign.name
    stop_counting(campaign_id=campaign.pk)
    campaign.delete()
    record(act="campaign.deleted", subject=name, by=by, now=now, detail=detail)


def data_of(campaign: Campaign) -> CampaignData:
    """What a campaign is made of, as it is kept."""
    signs = [
        Sign(sign.campaign_value or "", sign.origin or "", sign.medium or "")
        for sign in campaign.signs.order_by("pk")
    ]
    return CampaignData(
        campaign.name, signs, campaign.starts_on, campaign.ends_on, campaign.owner, campaign.note
    )


def add_spends(
    *, campaign: Campaign, spends: Sequence[Spend], by: Membership | None, now: datetime
) -> list[CampaignSpend]:
    """Note money that was spent."""
    rows = CampaignSpend.objects.bulk_create(
        CampaignSpend(
            campaign=campaign,
            spent_on=spend.spent_on,
            is_month=spend.is_month,
            amount_minor=spend.amount_minor,
            note=spend.note,
            created_at=now,
        )
        for spend in spends
    )
    total = sum(spend.amount_minor for spend in spends)
    detail = {"entries": len(spends), "amount_minor": total}
    record(act="campaign.spend_added", subject=campaign.name, by=by, now=now, detail=detail)
    return list(rows)


def remove_spend(*, campaign: Campaign, spend_id: int, by: Membership | None, now: datetime) -> None:
    """Take an entry away again. Raises NoSuchSpend."""
    spend = campaign.spends.filter(pk=spend_id).first()
    if spend is None:
        raise NoSuchSpend(_("There is no such entry of this campaign."))
    detail = {"spent_on": str(spend.spent_on), "amount_minor": spend.amount_minor, "note": spend.note}
    spend.delete()
    record(act="campaign.spend_removed", subject=campaign.name, by=by, now=now, detail=detail)


def list_spends(*, campaign: Campaign) -> list[CampaignSpend]:
    """What was spent on a campaign, the latest first."""
    return list(campaign.spends.order_by("-spent_on", "-pk"))


def read_spend(*, when: Any, amount: Any, note: Any, tenant: Tenant) -> Spend:
    """An entry from texts: a day (2026-10-31) or a month (2026-10), an amount with a decimal point. Raises InvalidSpend."""
    problems = []
    found = read_day(when) if isinstance(when, str) else None
    if found is None:
        problems.append(
            FieldProblem("date", "invalid", _("Write a day as 2026-10-31, or a month as 2026-10."))
        )
    minor = 0
    try:
        minor = read_amount(amount, currency=tenant.currency)
    except Invalid as invalid:
        problems += invalid.errors
    words = "" if note is None else note
    if not isinstance(words, str) or len(words) > MAX_SPEND_NOTE:
        message = _("Give a text of at most %(count)s characters.") % {"count": MAX_SPEND_NOTE}
        problems.append(FieldProblem("note", "too_long", message))
    if problems or found is None:
        raise InvalidSpend(_("This cannot be noted as money spent."), errors=problems)
    return Spend(*found, minor, words.strip())


def read_day(text: str) -> tuple[date, bool] | None:
    """A day, and whether it stands for its month; 2026-10-31, 2026-10, 31/10/2026 or 10/2026. None for anything else."""
    iso, day_first = _DAY.fullmatch(text.strip()), _DAY_FIRST.fullmatch(text.strip())
    if iso:
        year, month, day = iso.groups()
    elif day_first:
        day, month, year = day_first.groups()
    else:
        return None
    try:
        return date(int(year), int(month), int(day or 1)), day is None
    except ValueError:
        return None


def read_lines(*, text: str, tenant: Tenant) -> list[Spend]:
    """Entries from what was pasted or uploaded: date, amount and note, apart by tab, semicolon or comma; a heading is skipped.

    An amount has the decimal mark that its line ends in: 1.234,56 as 1,234.56. Raises InvalidSpend naming each line at fault.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_LINES:
        raise InvalidSpend(_("Give at most %(count)s lines at once.") % {"count": MAX_LINES})
    head = lines[0] if lines else ""
    mark = next((each for each in ("\t", ";") if each in head), ",")
    spends: list[Spend] = []
    problems: list[FieldProblem] = []
    for number, cells in enumerate(csv.reader(io.StringIO("\n".join(lines)), delimiter=mark), start=1):
        if number == 1 and read_day(cells[0]) is None:
            continue
        when, amount, note = (*cells, "", "")[:3]
        try:
            spends.append(read_spend(when=when, amount=plain_amount(amount), note=note, tenant=tenant))
        except InvalidSpend as invalid:
            problems += [
                FieldProblem(f"line {number}", each.code, f"{number}: {each.message}")
                for each in invalid.errors
            ]
    if not spends and not problems:
        message = _("There is no line with a date and an amount.")
        problems.append(FieldProblem("lines", "empty", message))
    if problems:
        raise InvalidSpend(_("Nothing is noted until every line can be read."), errors=problems)
    return spends


def plain_amount(text: str) -> str:
    """An amount as people write it, with a point for the decimals and nothing between thousands."""
    digits = re.sub(r"[^0-9.,-]", "", text)
    last = max(digits.rfind(","), digits.rfind("."))
    if last < 0:
        return digits
    whole, decimals = re.sub(r"[.,]", "", digits[:last]), digits[last + 1 :]
    # One mark alone with three digits after it stands between thousands: no currency here is written otherwise.
    is_thousands = len(decimals) == 3 and len({*digits} & {".", ","}) == 1
    return whole + decimals if is_thousands else f"{whole}.{decimals}"


def _checked(data: CampaignData) -> CampaignData:
    problems: list[FieldProblem] = []
    name = data.name.strip()
    if not 1 <= len(name) <= MAX_NAME:
        message = _("Give a name of 1 to %(count)s characters.") % {"count": MAX_NAME}
        problems.append(FieldProblem("name", "invalid", message))
    if data.starts_on and data.ends_on and data.ends_on < data.starts_on:
        problems.append(FieldProblem("ends_on", "before_start", _("The last day is before the first.")))
    if len(data.note) > MAX_NOTE:
        message = _("Give a text of at most %(count)s characters.") % {"count": MAX_NOTE}
        problems.append(FieldProblem("note", "too_long", message))
    signs = list(dict.fromkeys(_folded(sign) for sign in data.signs))
    if not 1 <= len(signs) <= MAX_SIGNS or not all(sign.campaign_value or sign.origin for sign in signs):
        unsaid = _(
            "Say by which utm_campaign, or which utm_source, its leads are recognised; at most %(count)s."
        )
        problems.append(FieldProblem("signs", "invalid", unsaid % {"count": MAX_SIGNS}))
    if any(
        len(sign.campaign_value) > 200 or len(sign.origin) > 120 or len(sign.medium) > 120 for sign in signs
    ):
        problems.append(FieldProblem("signs", "too_long", _("One of the values is too long.")))
    if problems:
        raise InvalidCampaign(_("The campaign has faults."), errors=problems)
    return CampaignData(name, signs, data.starts_on, data.ends_on, data.owner, data.note.strip())


def _folded(sign: Sign) -> Sign:
    return Sign(sign.campaign_value.strip(), fold_origin(sign.origin), sign.medium.strip())


def _write(campaign: Campaign, data: CampaignData) -> None:
    campaign.name, campaign.note, campaign.owner = data.name, data.note, data.owner
    campaign.starts_on, campaign.ends_on = data.starts_on, data.ends_on
    try:
        with transaction.atomic():
            campaign.save()
    except IntegrityError as error:
        taken = _("There is a campaign “%(name)s” already.") % {"name": data.name}
        raise CampaignNameTaken(taken, errors=[FieldProblem("name", "taken", taken)]) from error
    campaign.signs.all().delete()
    CampaignSign.objects.bulk_create(
        CampaignSign(
            campaign=campaign,
            campaign_value=sign.campaign_value or None,
            origin=sign.origin or None,
            medium=sign.medium or None,
        )
        for sign in data.signs
    )


def _detail(data: CampaignData) -> dict[str, Any]:
    return {
        "signs": [[sign.campaign_value, sign.origin, sign.medium] for sign in data.signs],
        "name": data.name,
        "starts_on": str(data.starts_on or ""),
        "ends_on": str(data.ends_on or ""),
        "owner": data.owner.name if data.owner else "",
        "note": data.note,
    }


register_acts(
    {
        "campaign.made": _("Made the campaign %(subject)s"),
        "campaign.changed": _("Changed the campaign %(subject)s"),
        "campaign.deleted": _("Deleted the campaign %(subject)s"),
        "campaign.spend_added": _("Noted money spent on the campaign %(subject)s (%(entries)s entries)"),
        "campaign.spend_removed": _("Removed money spent on the campaign %(subject)s"),
    }
)
