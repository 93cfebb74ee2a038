"""What a person may do, asked in templates; ``{% load rights %}``."""

from typing import Any

from django import template
from django.urls import reverse

from tenancy.models import Membership
from tenancy.rights import may
from tenancy.settings_pages import get_settings_page, list_settings_pages

register = template.Library()


@register.filter(name="may")
def may_filter(member: Membership, right: str) -> bool:
    """``{% if member|may:"team.manage" %}``: whether the member's roles include a right."""
    return may(member, right)


@register.inclusion_tag("tenancy/settings_tabs.html", takes_context=True)
def settings_tabs(context: template.Context, current: str = "") -> dict[str, Any]:
    """``{% settings_tabs %}``: the settings pages that the member may open; ``current`` where it is not the page's own tab."""
    slug = context["tenant"].slug
    return {
        "tabs": [
            {
                "name": page.url_name,
                "label": page.label,
                "icon": page.icon,
                "url": reverse(page.url_name, kwargs={"slug": slug}),
            }
            for page in list_settings_pages(member=context["member"])
        ],
        "current": current or _tab_of(context),
    }


@register.simple_tag(takes_context=True)
def settings_label(context: template.Context) -> str:
    """``{% settings_label %}``: what the tab of this page of the settings is called."""
    return str(get_settings_page(_tab_of(context)).label)


def _tab_of(context: template.Context) -> str:
    """The tab of a page: its address is called so, where the page does not say another one."""
    return str(context.get("settings_tab") or context["request"].resolver_match.url_name)
