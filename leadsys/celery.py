"""The Celery application; beat's schedule is static and stands in the settings."""

import os
from typing import Any

from leadsys.embedded import provide_environment

provide_environment()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")

from celery import Celery  # noqa: E402
from celery.signals import beat_init, celeryd_after_setup, worker_ready  # noqa: E402

app = Celery("leadsys")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Wake-ups are sent from any thread of any process.
app.set_default()
app.autodiscover_tasks()


@celeryd_after_setup.connect
def _worker_is_loaded(**_about: Any) -> None:
    """Before beat is forked: what the collector looks at is written to, and could not be shared by the two."""
    from core.memory import keep_what_is_loaded

    keep_what_is_loaded()


@worker_ready.connect
def _worker_lives(**_about: Any) -> None:
    from core.models import ProcessPulse
    from core.pulse import start_pulse

    start_pulse(role=ProcessPulse.Role.WORKER)


@beat_init.connect
def _beat_lives(**_about: Any) -> None:
    from core.models import ProcessPulse
    from core.pulse import start_pulse

    start_pulse(role=ProcessPulse.Role.BEAT)
