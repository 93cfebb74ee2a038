"""Answers to HTMX beside the fragment itself: toasts, and where the browser should go next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from django.http import HttpResponse
from django.utils.functional import Promise

Text = str | Promise


@dataclass(frozen=True)
class Undo:
    """What takes an act back: the address to post to, and the values to post."""

    url: str
    values: Mapping[str, str] = field(default_factory=dict)


def trigger_toast(
    response: HttpResponse,
    *,
    text: Text,
    tone: Literal["good", "act", "soon", "late"] = "good",
    undo: Undo | None = None,
) -> HttpResponse:
    """Show a toast when the answer arrives, with an undo button if the act can be taken back."""
    toast: dict[str, object] = {"text": str(text), "tone": tone}
    if undo is not None:
        toast |= {"undo_url": undo.url, "undo_values": dict(undo.values)}
    triggers = json.loads(response.headers.get("HX-Trigger", "{}"))
    # Headers are Latin-1: json.dumps escapes everything beyond ASCII.
    response["HX-Trigger"] = json.dumps(triggers | {"toast": toast})
    return response


def redirect_htmx(*, url: str) -> HttpResponse:
    """Let HTMX load another page; a plain redirect would be swapped into the fragment."""
    return HttpResponse(status=204, headers={"HX-Redirect": url})
