"""What a person may do, asked in templates; ``{% load rights %}``."""

from typing import Any

from django import template
from django.urls import reverse

from tenancy.models import Membership
from tenancy.rights import may
from tenancy.settings_pages import list_settings_pages

register = template.Library()


@register.filter(name="may")
def may_filter(member: Membership, right: str) -> bool:
    """``{% if member|may:"team.manage" %}``: whether the member's roles include a right."""
    return may(member, right)


@register.inclusion_tag("tenancy/settings_tabs.html", takes_context=True)
def settings_tabs(context: template.Context, current: str) -> dict[str, Any]:
    """``{% settings_tabs "members" %}``: the settings pages that the member may open."""
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
        "current": current,
    }
