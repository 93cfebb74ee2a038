"""One request to an endpoint, on a connection to the address that was checked: no proxies, no redirects, little time."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.webhooks.addresses import InvalidUrl, read_url, resolve

CONNECT_SECONDS: Final = 5.0
# Of everything together: an answer that comes drop by drop does not hold a worker.
TOTAL_SECONDS: Final = 15.0
MAX_ANSWER: Final = 2000


@dataclass(frozen=True)
class Outcome:
    """What came of a request: the status with the beginning of the answer, or why there was none.

    ``retry_after`` is what the answer asks for, in seconds.
    """

    status: int | None
    body: str
    error: str
    milliseconds: int
    retry_after: int | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more, ever (410, as Standard Webhooks has it)."""
        return self.status == http.HTTPStatus.GONE


def post(*, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """Send one POST; whatever goes wrong is in the outcome."""
    begun = time.monotonic()
    try:
        status, answer, retry_after = _post(url, body, headers)
    except InvalidUrl as refused:
        return Outcome(None, "", str(refused.detail), _since(begun))
    except (OSError, http.client.HTTPException) as error:
        return Outcome(None, "", _in_words(error), _since(begun))
    return Outcome(status, answer, "", _since(begun), retry_after)


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, int | None]:
    target = read_url(url)
    plain = socket.create_connection((resolve(target), target.port), timeout=CONNECT_SECONDS)
    is_late = threading.Event()
    deadline = threading.Timer(TOTAL_SECONDS, _hang_up, [plain, is_late])
    deadline.daemon = True
    deadline.start()
    connection = http.client.HTTPConnection(target.host, target.port, timeout=TOTAL_SECONDS)
    try:
        plain.settimeout(TOTAL_SECONDS)
        connection.sock = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
            if target.is_secure
            else plain
        )
        connection.request(
            "POST", target.path, body, {**headers, "Host": target.authority, "Connection": "close"}
        )
        answer = connection.getresponse()
        text = answer.read(MAX_ANSWER).decode("utf-8", "replace").replace("\0", "\ufffd")
        if is_late.is_set():
            raise TimeoutError
        return answer.status, text, _seconds(answer.headers.get("Retry-After", ""))
    finally:
        deadline.cancel()
        connection.close()
        plain.close()


def _hang_up(connection: socket.socket, is_late: threading.Event) -> None:
    # What came so far would otherwise look like a whole answer.
    is_late.set()
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is closed already
        return


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _since(begun: float) -> int:
    return round(1000 * (time.monotonic() - begun))


def _in_words(error: Exception) -> str:
    """The machine's own words, for people who look for the fault."""
    if isinstance(error, TimeoutError):
        return "TimeoutError: no answer in time"
    return f"{type(error).__name__}: {error}"[:300]
