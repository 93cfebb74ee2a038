"""The web application."""

import os
from typing import Any

from leadsys.embedded import provide_environment

provide_environment()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")

from django.core.wsgi import get_wsgi_application  # noqa: E402

_django = get_wsgi_application()

from core.bodies import measure_body, take_leftovers  # noqa: E402
from core.memory import keep_what_is_loaded  # noqa: E402
from core.models import ProcessPulse  # noqa: E402
from core.pulse import start_pulse  # noqa: E402
from core.repeats import Repeating  # noqa: E402

_answer = Repeating(_django)


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Answer as Django does, but whole: the server sends a list at once, and asks anything else for its parts one by one, which
    costs it a quarter of a small request."""
    measure_body(environ)
    response = _answer(environ, start_response)
    take_leftovers(environ)
    if getattr(response, "streaming", True):
        return response
    body = list(response)
    response.close()
    return body


start_pulse(role=ProcessPulse.Role.WEB)
keep_what_is_loaded()
