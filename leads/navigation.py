"""The hub's places in the navigation, and what waits at each."""

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from core.saved_views.kinds import register_list
from leads.bulk.acts import register_hub_bulk_acts
from leads.erasure.bulk import register_erase_act
from leads.erasure.known import register_hub_holdings
from leads.held import held_rows
from leads.lead_tasks import TASKS_BADGE
from leads.models import LeadState, Stage
from leads.retention.kinds import register_hub_retention
from leads.retention.running import register_retention_runs
from leads.takeout.building import register_data_exports
from leads.takeout.known import register_hub_takeout
from leads.views.company_list import COMPANIES
from leads.views.lists import LEADS
from leads.views.opportunities import OPPORTUNITIES
from tenancy.audit import register_acts
from tenancy.models import Membership
from tenancy.navigation import Badge, BadgeSource, NavigationItem, register_navigation
from tenancy.settings_pages import SettingsPage, register_settings_page


def _queue(member: Membership) -> list[QuerySet[Any, Any]]:
    stages = (Stage.MARKETING_QUALIFIED, Stage.WORKING)
    return [LeadState.objects.filter(stage__in=stages, owner_sdr=member)]


def _inbox(member: Membership) -> list[QuerySet[Any, Any]]:
    return [LeadState.objects.filter(stage=Stage.SALES_QUALIFIED, owner_sales=member)]


def _queue_badge(counts: Sequence[int]) -> Badge:
    label = ngettext("lead of yours waits", "leads of yours wait", counts[0])
    return Badge(count=counts[0], tone="alarm", label=label)


def _inbox_badge(counts: Sequence[int]) -> Badge:
    label = ngettext("SQL waits for your answer", "SQLs wait for your answer", counts[0])
    return Badge(count=counts[0], label=label)


def _held_badge(counts: Sequence[int]) -> Badge:
    held = sum(counts)
    return Badge(count=held, tone="alarm", label=ngettext("is held", "are held", held))


QUEUE: Final = BadgeSource(rows=_queue, draw=_queue_badge)
INBOX: Final = BadgeSource(rows=_inbox, draw=_inbox_badge)
HELD: Final = BadgeSource(rows=lambda _member: held_rows(), draw=_held_badge)


def register_places() -> None:
    """Put the hub's pages into the navigation; called once, when the app is ready."""
    for item in (
        NavigationItem(
            key="home",
            label=_("Home"),
            icon="home",
            url_name="home",
            section="work",
            right="home.read",
            order=10,
        ),
        NavigationItem(
            key="queue",
            label=_("Queue"),
            icon="bolt",
            url_name="queue",
            section="work",
            right="queue.work",
            order=20,
            badge=QUEUE,
        ),
        NavigationItem(
            key="inbox",
            label=_("SQL inbox"),
            icon="inbox",
            url_name="inbox",
            section="work",
            right="inbox.work",
            order=30,
            badge=INBOX,
        ),
        NavigationItem(
            key="tasks",
            label=_("My tasks"),
            icon="square-check",
            url_name="task-list",
            section="work",
            right="task.write",
            order=35,
            badge=TASKS_BADGE,
        ),
        NavigationItem(
            key="leads",
            label=_("Leads"),
            icon="users",
            url_name="lead-list",
            section="work",
            right="lead.read",
            order=40,
        ),
        NavigationItem(
            key="companies",
            label=_("Companies"),
            icon="building",
            url_name="company-list",
            section="work",
            right="lead.read",
            order=45,
        ),
        NavigationItem(
            key="opportunities",
            label=_("Opportunities"),
            icon="briefcase",
            url_name="opportunity-list",
            section="work",
            right="opportunity.read",
            order=50,
        ),
        NavigationItem(
            key="duplicates",
            label=_("Duplicates"),
            icon="users-group",
            url_name="duplicate-list",
            section="marketing",
            right="lead.merge",
            order=45,
        ),
        NavigationItem(
            key="forms",
            label=_("Forms"),
            icon="forms",
            url_name="form-list",
            section="marketing",
            right="form.read",
            order=30,
        ),
        NavigationItem(
            key="imports",
            label=_("Imports"),
            icon="file-import",
            url_name="import-list",
            section="marketing",
            right="import.run",
            order=40,
        ),
        NavigationItem(
            key="held",
            label=_("Held leads"),
            icon="hand-stop",
            url_name="held",
            section="operations",
            right="held.resolve",
            order=80,
            badge=HELD,
        ),
    ):
        register_navigation(item)
    for page in (
        SettingsPage(url_name="fields", label=_("Fields"), icon="forms", right="field.manage", order=30),
        SettingsPage(url_name="data", label=_("Data"), icon="shield-lock", right="person.erase", order=80),
        SettingsPage(
            url_name="reasons", label=_("Reasons"), icon="list-check", right="reason.manage", order=35
        ),
        SettingsPage(url_name="tags", label=_("Tags"), icon="tags", right="tag.manage", order=32),
    ):
        register_settings_page(page)
    for kind in (LEADS, OPPORTUNITIES, COMPANIES):
        register_list(kind)
    register_hub_bulk_acts()
    register_hub_holdings()
    register_erase_act()
    register_hub_takeout()
    register_data_exports()
    register_hub_retention()
    register_retention_runs()
    register_acts(
        {
            "list.exported": _("Exported %(rows)s rows of a list (%(list)s) as %(format)s: %(subject)s"),
            "person.erased": _("Erased the person of lead %(subject)s (%(rows)s rows)"),
            "person.given_out": _("Gave out what is stored of the person of lead %(subject)s"),
            "bulk.done": _("%(subject)s: %(applied)s of %(total)s leads (%(leads)s)"),
            "bulk.stopped": _("Stopped: %(subject)s, after %(applied)s of %(total)s leads (%(leads)s)"),
            "bulk.failed": _("Failed: %(subject)s, after %(applied)s of %(total)s leads (%(leads)s)"),
            "import.started": _("Started the import of %(subject)s (%(rows)s rows)"),
            "import.stopped": _("Stopped the import of %(subject)s"),
            "import.resumed": _("Went on with the import of %(subject)s"),
            "held.lead_discarded": _("Gave up the held run of %(subject)s"),
            "held.submission_discarded": _("Gave up the held submission %(subject)s"),
            "held.leads_discarded": _("Gave up the held runs of leads: %(subject)s (%(search)s)"),
            "held.submissions_discarded": _("Gave up held submissions: %(subject)s (%(search)s)"),
        }
    )
