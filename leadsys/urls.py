"""Every address, app by app."""

from django.urls import include, path

from core.health import healthz, readyz
from core.scrape import metrics
from insights.operators import health
from tenancy.admin import operator_site
from tenancy.api_schema import schema
from tenancy.preferences import save_preferences

urlpatterns = [
    # First: programs ask far more often than people, and each row before theirs is tried at each of their requests.
    path("api/v1/", include("leads.api.urls")),
    path("api/v1/", include("core.saved_views.api")),
    path("api/v1/", include("insights.api")),
    path("api/v1/", include("insights.campaign_api")),
    path("api/v1/", include("tenancy.settings_api")),
    path("api/v1/", include("core.webhooks.api")),
    path("api/v1/", include("routing.api")),
    path("api/v1/schema/", schema, name="schema"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("operator/health/", operator_site.admin_view(health), name="operator-health"),
    path("operator/", operator_site.urls),
    path("accounts/", include("tenancy.account_urls")),
    path("", include("tenancy.urls")),
    path("", include("leads.urls")),
    path("", include("nurturing.urls")),
    path("t/<slug:slug>/settings/", include("routing.urls")),
    path("t/<slug:slug>/settings/", include("core.webhooks.urls")),
    path("t/<slug:slug>/lists/", include("core.saved_views.urls")),
    path("preferences/", save_preferences, name="preferences"),
    path("t/<slug:slug>/", include("insights.urls")),
]

handler400 = "tenancy.doors.bad_request"
handler404 = "tenancy.doors.page_not_found"
handler429 = "tenancy.doors.too_many_requests"
handler500 = "tenancy.doors.server_error"
