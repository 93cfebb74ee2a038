"""Machines that repeat themselves: what was decided of a request's address and headers is not decided anew for the next one.

Who sends many small things sends the same address and headers again, to the letter; the bodies differ. All that middleware and
view decide before they read a body follows from address and headers. So a view may say, with an answer that went well
(``offer``), how to answer the next request of which all but the body is the same; for a minute such requests go there at once and
get the same headers. Whatever isn't answered well there goes the ordinary way, from its beginning.
"""

import io
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from django.http import HttpRequest, HttpResponse

from core.requests import Asked, path_to_log, route_of
from tenancy.errors import Problem

Environ: TypeAlias = dict[str, Any]
# What is given a request's environment and body, and gives the body of the answer and the headers that only this answer has. It
# raises Problem or NotAgain before it has changed anything.
Answering: TypeAlias = Callable[[Environ, bytes], tuple[bytes, dict[str, str]]]

LIFETIME_SECONDS: Final = 60.0
MOST: Final = 1000
# Longer headers than these are looked at each time, longer bodies too, so that what is remembered and read stays small.
MOST_CHARACTERS: Final = 4096
MOST_BODY_BYTES: Final = 64 * 1024
# What the server says of a request beside its headers (PEP 3333), but the length of its body and the port of its peer.
_SAID: Final = (
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "REMOTE_ADDR",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "wsgi.url_scheme",
)
# Of an answer, what is said of it alone.
_ITS_OWN: Final = frozenset({"Content-Length", "Location", "X-Request-ID"})
_RAISED: Final = "leadsys.raised"
_OFFER: Final = "offered_again"


class NotAgain(RuntimeError):
    """The next request has to be looked at like the first one."""


class _Offer(NamedTuple):
    """What a view offers, and how its requests are counted and logged."""

    answering: Answering
    method: str
    route: str
    path: str


class _Known(NamedTuple):
    """An offer, until when it stands, and what all of its answers say."""

    offer: _Offer
    until: float
    status: str
    headers: list[tuple[str, str]]


def offer(response: HttpResponse, *, request: HttpRequest, answering: Answering) -> HttpResponse:
    """Say with an answer how to answer the next request of which all but the body is the same."""
    made = _Offer(answering, str(request.method), route_of(request), path_to_log(request))
    setattr(response, _OFFER, made)
    return response


def raise_again(request: HttpRequest) -> None:
    """Raise what answering the request by an offer has raised, where errors of the view are noted and answered."""
    if error := request.META.get(_RAISED):
        raise error


class Repeating:
    """A WSGI application around Django's that takes up the offers of its views."""

    def __init__(self, answer: Callable[[Environ, Any], Any]) -> None:
        self._answer = answer
        self._known: dict[tuple[Any, ...], _Known] = {}

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        """The answer by an offer, a list of one piece, or Django's own response."""
        said = said_of(environ)
        known = self._known.get(said)
        if known is not None and time.monotonic() < known.until:
            answer = _answered(known, environ, start_response)
            if answer is not None:
                return answer
        response = self._answer(environ, start_response)
        if _OFFER in getattr(response, "__dict__", ()):
            self._remember(said, response)
        return response

    def _remember(self, said: tuple[Any, ...], response: HttpResponse) -> None:
        if sum(map(len, map(str, said))) > MOST_CHARACTERS:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[said] = _Known(
            getattr(response, _OFFER),
            time.monotonic() + LIFETIME_SECONDS,
            f"{response.status_code} {response.reason_phrase}",
            [(name, value) for name, value in response.items() if name not in _ITS_OWN],
        )


def said_of(environ: Environ) -> tuple[Any, ...]:
    """All that is said of a request but its body; requests of which the same is said are decided alike."""
    headers = [item for item in environ.items() if item[0].startswith("HTTP_")]
    return (*map(environ.get, _SAID), *headers)


def _answered(known: _Known, environ: Environ, start_response: Any) -> list[bytes] | None:
    """The answer by an offer, or None: then the request stands as it came, with the fault, if there was one."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or not 0 < int(length) <= MOST_BODY_BYTES:
        return None
    asked = Asked()
    body = environ["wsgi.input"].read(int(length))
    try:
        answer, own = known.offer.answering(environ, body)
    except Exception as error:  # noqa: BLE001 - raised again by the view
        environ["wsgi.input"] = io.BytesIO(body)
        if not isinstance(error, Problem | NotAgain):
            environ[_RAISED] = error
        return None
    headers = [*known.headers, *own.items(), ("Content-Length", str(len(answer))), asked.header]
    start_response(known.status, headers)
    _answering, method, route, path = known.offer
    asked.was_answered(method=method, route=route, path=path, status=int(known.status[:3]))
    return [answer]
