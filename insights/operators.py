"""Pages for those who run the installation; they see counts and addresses of tenants, nothing of what tenants know."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from insights.health import look_at_health


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """How the installation is: green, orange or red, and what to do."""
    return render(request, "insights/operator_health.html", {"health": look_at_health(now=timezone.now())})
