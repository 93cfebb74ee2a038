"""What capture is measured against: a Django view that inserts one row and answers, with nothing around it."""

import os
import uuid

from benchmarks.place import prepare_environment

prepare_environment()
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.bare_settings"

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402


def insert(request: HttpRequest) -> JsonResponse:
    """Insert one row in a transaction of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bench_bare (key, body) VALUES (%s, %s) RETURNING id",
            [uuid.uuid4().hex, request.body.decode()],
        )
        return JsonResponse({"id": cursor.fetchone()[0]}, status=201)


urlpatterns = [path("insert/", insert)]
application = get_wsgi_application()
