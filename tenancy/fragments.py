"""Answers to HTMX beside the fragment itself: toasts, where the browser should go next, and that nothing has changed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
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


def poll_headers(etag: str) -> str:
    """For ``hx-headers`` of a part that asks again and again: as it is now it need not be sent."""
    return json.dumps({"If-None-Match": etag})


def answer_poll(request: HttpRequest, *, etag: str, draw: Callable[[], HttpResponse]) -> HttpResponse:
    """What a part of a page that asks again and again gets: 304 while it is as ``etag`` says, else what ``draw`` answers."""
    if request.headers.get("If-None-Match") == etag:
        response: HttpResponse = HttpResponseNotModified()
        response["HX-Reswap"] = "none"
    else:
        response = draw()
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


def answer_progress(
    request: HttpRequest, *, page: str, etag: str, is_over: bool, context: Callable[[], Mapping[str, Any]]
) -> HttpResponse:
    """A page about work in the background, or its partial "progress" where that asks how far it is, which ends with the work.

    The partial's id ends in ``-progress``.
    """
    if not request.headers.get("HX-Target", "").endswith("-progress"):
        return render(request, page, context())
    if is_over:
        return redirect_htmx(url=request.path)
    return answer_poll(request, etag=etag, draw=lambda: render(request, f"{page}#progress", context()))
