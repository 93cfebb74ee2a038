"""The Django admin, for operators of the installation: tenants and people, nothing of a tenant's own data."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django import forms
from django.contrib.admin import AdminSite, ModelAdmin, action
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.messages import ERROR
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenancy.errors import Problem
from tenancy.forms import TenantForm
from tenancy.models import Tenant, User, normalise_login
from tenancy.suspension import resume_tenant, suspend_tenant


class OperatorSite(AdminSite):
    """Signing in is allauth's, so that rate limits and the second factor hold here too."""

    site_header = "LeadSys"
    site_title = "LeadSys"
    index_title = _("Operation")

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response: HttpResponse = secure_admin_login(super().login)(request, extra_context=extra_context)
        return response


class TenantAdmin(ModelAdmin):  # type: ignore[type-arg]
    """Made by ``create_tenant``, which applies the default pack; never deleted by a click."""

    form = TenantForm
    list_display = (
        "name",
        "slug",
        "time_zone",
        "language",
        "currency",
        "country",
        "created_at",
        "suspended_at",
    )
    search_fields = ("name", "slug")
    readonly_fields = ("slug", "created_at", "suspended_at")
    actions = ("suspend", "resume")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @action(description=_("Suspend: let nobody in until resumed"), permissions=["change"])
    def suspend(self, request: HttpRequest, tenants: QuerySet[Tenant]) -> None:
        """Suspend the chosen tenants."""
        for tenant in tenants:
            if suspend_tenant(tenant=tenant, now=timezone.now(), reason=str(request.user)):
                self.message_user(request, _("%(name)s is suspended.") % {"name": tenant.name})

    @action(description=_("Resume: let suspended ones in again"), permissions=["change"])
    def resume(self, request: HttpRequest, tenants: QuerySet[Tenant]) -> None:
        """Resume the chosen tenants."""
        for tenant in tenants:
            try:
                if resume_tenant(tenant=tenant, now=timezone.now()):
                    self.message_user(request, _("%(name)s goes on.") % {"name": tenant.name})
            except Problem as problem:
                self.message_user(request, f"{tenant.name}: {problem.detail}", ERROR)


class NewLoginForm(AdminUserCreationForm):
    """An e-mail, with a password or without."""

    class Meta:
        model = User
        fields = ("email", "name")

    def clean_email(self) -> str:
        email = normalise_login(self.cleaned_data["email"])
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(_("There is a login with this e-mail already."))
        return email


class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """Logins. A tenant's administrators give and take membership; who is switched off here gets in nowhere."""

    add_form = NewLoginForm
    ordering = ("email",)
    list_display = ("email", "name", "is_active", "is_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    filter_horizontal = ()
    readonly_fields = ("email", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (None, {"fields": ("name", "language", "time_zone")}),
        (None, {"fields": ("is_active", "is_staff", "is_superuser")}),
        (None, {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


operator_site = OperatorSite(name="admin")
operator_site.register(Tenant, TenantAdmin)
operator_site.register(User, PersonAdmin)
