"""The tables that belong to no tenant. Every other model carries a tenant and is kept apart by row security."""

from typing import Final

# Logins and who runs the installation; nothing of what a tenant knows. The guards read this list.
GLOBAL_MODELS: Final = frozenset(
    {
        "core.ProcessPulse",
        "tenancy.Tenant",
        "tenancy.TenantDeletion",
        "tenancy.User",
        "tenancy.User_groups",
        "tenancy.User_user_permissions",
        "account.EmailAddress",
        "account.EmailConfirmation",
        "mfa.Authenticator",
        "auth.Group",
        "auth.Group_permissions",
        "auth.Permission",
        "admin.LogEntry",
        "contenttypes.ContentType",
        "sessions.Session",
    }
)
