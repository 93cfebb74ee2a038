"""A process that sweeps one tenant each time it is told to: it says when it has loaded its code, and when nothing is left."""

import sys
from datetime import datetime

from benchmarks.place import prepare_environment

READY = "ready"
DONE = "done"


def main() -> None:
    """``python -m benchmarks.sweeper TENANT_ID``: write READY, then sweep as of each instant that is read and write DONE."""
    prepare_environment()
    import django

    django.setup()
    from core.due import sweep_tenant
    from core.memory import keep_what_is_loaded
    from tenancy.models import Tenant

    tenant_id = int(sys.argv[1])
    Tenant.objects.get(pk=tenant_id)  # the connection is there, as every worker's is
    keep_what_is_loaded()
    print(READY, flush=True)
    for instant in sys.stdin:
        sweep_tenant(tenant_id=tenant_id, now=datetime.fromisoformat(instant.strip()))
        print(DONE, flush=True)


if __name__ == "__main__":
    main()
