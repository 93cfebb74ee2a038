"""The web application."""

import os

from leadsys.embedded import provide_environment

provide_environment()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()

from core.memory import keep_what_is_loaded  # noqa: E402
from core.models import ProcessPulse  # noqa: E402
from core.pulse import start_pulse  # noqa: E402

start_pulse(role=ProcessPulse.Role.WEB)
keep_what_is_loaded()
