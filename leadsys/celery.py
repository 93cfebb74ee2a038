"""The Celery application; beat's schedule is static and stands in the settings."""

import os

from leadsys.embedded import provide_environment

provide_environment()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")

from celery import Celery  # noqa: E402

app = Celery("leadsys")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Wake-ups are sent from any thread of any process.
app.set_default()
app.autodiscover_tasks()
