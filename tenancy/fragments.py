"""Answers to HTMX beside the fragment itself: toasts, and where the browser should go next."""

import json
from typing import Literal

from django.http import HttpResponse
from django.utils.functional import Promise

Text = str | Promise


def trigger_toast(
    response: HttpResponse,
    *,
    text: Text,
    tone: Literal["good", "act", "soon", "late"] = "good",
    undo_url: str = "",
) -> HttpResponse:
    """Show a toast when the answer arrives; with ``undo_url`` it carries an undo button that posts there."""
    toast = {"text": str(text), "tone": tone} | ({"undo_url": undo_url} if undo_url else {})
    triggers = json.loads(response.headers.get("HX-Trigger", "{}"))
    # Headers are Latin-1: json.dumps escapes everything beyond ASCII.
    response["HX-Trigger"] = json.dumps(triggers | {"toast": toast})
    return response


def redirect_htmx(*, url: str) -> HttpResponse:
    """Let HTMX load another page; a plain redirect would be swapped into the fragment."""
    return HttpResponse(status=204, headers={"HX-Redirect": url})
