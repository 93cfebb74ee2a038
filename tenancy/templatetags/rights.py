"""What a person may do, asked in templates; ``{% load rights %}``."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.translation import gettext as _

from tenancy.models import Membership
from tenancy.rights import may

register = template.Library()


@register.filter(name="may")
def may_filter(member: Membership, right: str) -> bool:
    """``{% if member|may:"team.manage" %}``: whether the member's roles include a right."""
    return may(member, right)


@register.inclusion_tag("tenancy/settings_tabs.html", takes_context=True)
def settings_tabs(context: template.Context, current: str) -> dict[str, Any]:
    """``{% settings_tabs "members" %}``: the settings pages that the member may open."""
    pages = [
        ("members", _("Members"), "member.manage", "users"),
        ("teams", _("Teams"), "team.manage", "users-group"),
        ("keys", _("API keys"), "key.manage", "key"),
        ("audit", _("Audit log"), "audit.read", "history"),
    ]
    slug = context["tenant"].slug
    return {
        "tabs": [
            {"name": name, "label": label, "icon": icon, "url": reverse(name, kwargs={"slug": slug})}
            for name, label, right, icon in pages
            if may(context["member"], right)
        ],
        "current": current,
    }
