"""Routing's tabs in the settings, and how its administrative acts read."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from tenancy.audit import register_acts
from tenancy.settings_pages import SettingsPage

SETTINGS_PAGES: Final = (
    SettingsPage(
        url_name="calendar", label=_("Working time"), icon="calendar-time", right="time.manage", order=40
    ),
    SettingsPage(url_name="clocks", label=_("Clocks"), icon="alarm", right="time.manage", order=45),
)

register_acts(
    {
        "calendar.changed": _("Changed the working time %(subject)s (%(zone)s): %(week)s"),
        "calendar.closed": _("Closed for %(subject)s (%(days)s)"),
        "calendar.opened": _("Open again: %(subject)s (%(days)s)"),
        "clock.changed": _("Changed the clock %(subject)s: %(duration)s"),
        "clock.switched_off": _("Switched off the clock %(subject)s"),
    }
)
