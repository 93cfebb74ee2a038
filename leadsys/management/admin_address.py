"""As whom the commands backup and restore go to the database."""

import os

from leadsys.backup import AdminAddress, BackupError
from leadsys.embedded import find_superuser_url


def find_admin_address() -> AdminAddress:
    """``DATABASE_ADMIN_URL``, else the superuser of the embedded servers if they are used. Raises BackupError."""
    url = os.environ.get("DATABASE_ADMIN_URL") or find_superuser_url(os.environ.get("DATABASE_URL", ""))
    if not url:
        raise BackupError(
            "Set DATABASE_ADMIN_URL to the database as a role that row security does not bind: a superuser, or for backups "
            "leadsys_backup (see docs/operations.md)."
        )
    return AdminAddress(url)
