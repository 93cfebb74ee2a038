"""A process that sweeps one tenant when it is told to: it says so when it has loaded its code, and when nothing is left."""

import sys
from datetime import datetime

from benchmarks.place import prepare_environment

READY = "ready"
GO = "go"
DONE = "done"


def main() -> None:
    """``python -m benchmarks.sweeper TENANT_ID NOW``: write READY, wait for GO, sweep, write DONE."""
    prepare_environment()
    import django

    django.setup()
    from core.due import sweep_tenant
    from core.memory import keep_what_is_loaded
    from tenancy.models import Tenant

    tenant_id, now = int(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
    Tenant.objects.get(pk=tenant_id)  # the connection is there, as every worker's is
    keep_what_is_loaded()
    print(READY, flush=True)
    if sys.stdin.readline().strip() == GO:
        sweep_tenant(tenant_id=tenant_id, now=now)
        print(DONE, flush=True)


if __name__ == "__main__":
    main()
