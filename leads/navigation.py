"""The hub's places in the navigation, and what waits at each."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from core.saved_views.kinds import register_list
from leads.bulk.acts import register_hub_bulk_acts
from leads.erasure.bulk import register_erase_act
from leads.erasure.known import register_hub_holdings
from leads.held import count_held
from leads.lead_tasks import tasks_badge
from leads.models import LeadState, Stage
from leads.retention.kinds import register_hub_retention
from leads.retention.running import register_retention_runs
from leads.takeout.building import register_data_exports
from leads.takeout.known import register_hub_takeout
from leads.views.lists import LEADS
from tenancy.audit import register_acts
from tenancy.models import Membership
from tenancy.navigation import Badge, NavigationItem, register_navigation
from tenancy.settings_pages import SettingsPage, register_settings_page

# One more than a badge shows: it says 99+ then.
MOST = 100


def queue_badge(member: Membership) -> Badge:
    """The leads that are mine to call."""
    stages = (Stage.MARKETING_QUALIFIED, Stage.WORKING)
    count = LeadState.objects.filter(stage__in=stages, owner_sdr=member)[:MOST].count()
    return Badge(
        count=count, tone="alarm", label=ngettext("lead of yours waits", "leads of yours wait", count)
    )


def inbox_badge(member: Membership) -> Badge:
    """The SQLs offered to me."""
    count = LeadState.objects.filter(stage=Stage.SALES_QUALIFIED, owner_sales=member)[:MOST].count()
    return Badge(count=count, label=ngettext("SQL waits for your answer", "SQLs wait for your answer", count))


def held_badge(member: Membership) -> Badge:
    """What could not be processed."""
    count = count_held(most=MOST)
    return Badge(count=count, tone="alarm", label=ngettext("is held", "are held", count))


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
            badge=queue_badge,
        ),
        NavigationItem(
            key="inbox",
            label=_("SQL inbox"),
            icon="inbox",
            url_name="inbox",
            section="work",
            right="inbox.work",
            order=30,
            badge=inbox_badge,
        ),
        NavigationItem(
            key="tasks",
            label=_("My tasks"),
            icon="square-check",
            url_name="task-list",
            section="work",
            right="task.write",
            order=35,
            badge=tasks_badge,
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
            badge=held_badge,
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
    register_list(LEADS)
    register_hub_bulk_acts()
    register_hub_holdings()
    register_erase_act()
    register_hub_takeout()
    register_data_exports()
    register_hub_retention()
    register_retention_runs()
    register_acts(
        {
            "leads.exported": _("Exported %(rows)s leads as %(format)s: %(subject)s"),
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
        }
    )
