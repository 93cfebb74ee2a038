"""A steady load on every door of one tenant, and the book of what was accepted at each.

A client does what a good client does: it gives a key where the door takes one and asks again until it is answered; what has no
key it sends once. So everything that was accepted has to be there exactly once, and what was sent without an answer at most once.
"""

import http.client
import json
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

NEWSLETTER: Final = {"type": "form_submitted", "properties": {"name": "newsletter"}}
DEMO: Final = {"type": "form_submitted", "properties": {"kind": "demo"}}
_TOKEN: Final = "c" * 32


@dataclass
class Promise:
    """A lead that was sent in with so many events. ``accepted``: the door said yes, so all of it has to be there."""

    email: str
    events: int
    accepted: bool = False


@dataclass
class Attempt:
    """An attempt at contact that was sent once, known by its note."""

    note: str
    accepted: bool = False


@dataclass
class Book:
    """What was sent into one tenant, by the addresses of its leads."""

    promises: list[Promise] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    # Addresses of leads that are merged or erased: what has to become of them is said elsewhere.
    others: set[str] = field(default_factory=set)
    # Answers that nobody should get: neither a yes, nor "later".
    refusals: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """How many leads a door has said yes to."""
        return sum(promise.accepted for promise in self.promises)


@dataclass(frozen=True)
class Place:
    """Where to send: the tenant as ``deeds.make_tenant`` gives it, and the port of the web server."""

    port: int
    tenant: dict[str, Any]

    def post(
        self, path: str, body: Any, *, headers: dict[str, str] | None = None, seconds: float = 30
    ) -> tuple[int, Any]:
        """The status and the JSON of an answer of the API. Raises OSError or HTTPException without one."""
        said = {"Content-Type": "application/json", **(headers or {})}
        return self._call("POST", path, json.dumps(body).encode(), said, seconds)

    def get(self, path: str) -> tuple[int, Any]:
        """The same of a question. Raises OSError or HTTPException without an answer."""
        return self._call("GET", path, b"", {}, 30)

    def post_form(self, form: str, values: dict[str, str]) -> int:
        """The status of a hosted form that was sent; 302 is yes."""
        body = urlencode(values | {"csrfmiddlewaretoken": _TOKEN}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={_TOKEN}"}
        return self._send("POST", f"/f/{self.tenant['forms'][form]}/", body, headers, 30)[0]

    def _call(
        self, method: str, path: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> tuple[int, Any]:
        key = {"Authorization": f"Bearer {self.tenant['key']}"}
        status, answer = self._send(method, path, body, key | headers, seconds)
        return status, json.loads(answer) if answer[:1] in {b"{", b"["} else None

    def _send(
        self, method: str, path: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, body, {"Host": "localhost", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Load:
    """Clients at work on one tenant until they are told to rest. Each draws what it sends from dice of its own."""

    CLIENTS: Final = 3
    PAUSE_SECONDS: Final = 0.2

    def __init__(self, place: Place, dice: random.Random, numbers: Callable[[], int]) -> None:
        self.place = place
        self.book = Book()
        self._numbers = numbers
        self._lock = threading.Lock()
        # What was sent with a key and has not been answered yet.
        self._unanswered: deque[Callable[[], bool]] = deque()
        self._busy = 0
        self._working = threading.Event()
        self._ended = threading.Event()
        # Leads of this tenant that an SDR could call, by id.
        self._callable: deque[int] = deque(maxlen=50)
        self._threads = [
            threading.Thread(target=self._work, args=(random.Random(dice.random()),), daemon=True)
            for _client in range(self.CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Let new things come in while the block lasts."""
        self._working.set()
        try:
            yield
        finally:
            self._working.clear()

    def unanswered(self) -> int:
        """How many things are being sent, or will be sent again until they are answered."""
        with self._lock:
            return len(self._unanswered) + self._busy

    def end(self) -> None:
        """Let the clients go."""
        self._ended.set()
        self._working.clear()
        for thread in self._threads:
            thread.join(60)

    def ask(self, send: Callable[[], bool]) -> None:
        """Let a client send something until it returns true."""
        with self._lock:
            self._unanswered.append(send)

    # What comes in -----------------------------------------------------------------------------------------------

    def lead(self, event: dict[str, Any] | None) -> tuple[Promise, dict[str, Any]]:
        """A new person, and the promise to find them with their event."""
        number = self._numbers()
        email = f"ana{number}@empresa{number % 40}.com.br"
        promise = Promise(email, 1 if event else 0)
        with self._lock:
            self.book.promises.append(promise)
        body = {"email": email, "name": f"Ana {number}", "country": "BR"}
        return promise, body | ({"event": event} if event else {})

    def send_many(self, count: int, event: dict[str, Any], *, is_async: bool) -> bool:
        """One batch, sent once: accepted as a whole, or nobody knows."""
        rows = [self.lead(event) for _row in range(count)]
        headers = {"Prefer": "respond-async"} if is_async else {}
        try:
            status, answer = self.place.post(
                "/api/v1/leads/batch/", {"leads": [body for _promise, body in rows]}, headers=headers
            )
        except (OSError, http.client.HTTPException, ValueError):
            return False
        if status != 200:
            return False
        for (promise, _body), result in zip(rows, answer["results"], strict=True):
            promise.accepted = result["status"] in {200, 201, 202}
            if result["status"] >= 400:
                self._refused(f"batch row: {result}")
        return True

    def _work(self, dice: random.Random) -> None:
        while not self._ended.is_set():
            send = self._next(dice)
            if send is None:
                time.sleep(0.05)
                continue
            try:
                is_answered = send()
            except (OSError, http.client.HTTPException, ValueError):
                is_answered = False
            with self._lock:
                self._busy -= 1
                if not is_answered:
                    self._unanswered.append(send)
            time.sleep(dice.uniform(0, 2 * self.PAUSE_SECONDS) if is_answered else 0.3)

    def _next(self, dice: random.Random) -> Callable[[], bool] | None:
        """Something that waits for an answer first, else something new; None while the clients rest."""
        is_old = dice.random() < 0.7
        with self._lock:
            if self._unanswered and (is_old or not self._working.is_set()):
                self._busy += 1
                return self._unanswered.popleft()
            if not self._working.is_set():
                return None
            self._busy += 1
        what = dice.choices(
            ["sync", "async", "once", "newsletter", "contact", "events", "attempt"], [4, 4, 2, 3, 1, 3, 2]
        )[0]
        return self._make(what, dice)

    def _make(self, what: str, dice: random.Random) -> Callable[[], bool]:
        """Something to send, again and again until it returns true."""
        if what in {"newsletter", "contact"}:
            return self._form(what)
        if what == "events":
            return self._events(dice.randint(2, 12))
        if what == "attempt" and self._callable:
            return self._attempt()
        event = dice.choice([NEWSLETTER, DEMO, DEMO])
        return self._capture(what, event)

    def _capture(self, what: str, event: dict[str, Any]) -> Callable[[], bool]:
        promise, body = self.lead(event)
        headers = {} if what == "once" else {"Idempotency-Key": uuid.uuid4().hex}
        if what == "async":
            headers["Prefer"] = "respond-async"

        def send() -> bool:
            try:
                status, answer = self.place.post("/api/v1/leads/", body, headers=headers)
            except (OSError, http.client.HTTPException, ValueError):
                return what == "once"
            if status in {200, 201, 202}:
                promise.accepted = True
                if status == 201 and answer["stage"] == "mql":
                    self._callable.append(answer["id"])
                return True
            return what == "once" or self.is_final(status, answer)

        return send

    def _events(self, count: int) -> Callable[[], bool]:
        promise, body = self.lead(None)
        promise.events = count
        events = [
            {
                "type": "page_viewed",
                "message_id": uuid.uuid4().hex,
                "lead": {"email": body["email"]},
                "create": True,
            }
            for _event in range(count)
        ]

        def send() -> bool:
            status, answer = self.place.post("/api/v1/events/", {"events": events})
            if status == 200:
                promise.accepted = True
                for result in answer["results"]:
                    if result["status"] not in {200, 201}:
                        self._refused(f"event: {result}")
                return True
            return self.is_final(status, answer)

        return send

    def _form(self, form: str) -> Callable[[], bool]:
        promise, body = self.lead(NEWSLETTER)
        values = {
            "first_name": "Ana",
            "email": body["email"],
            "company": "Empresa",
            "consent.marketing": "on",
        }
        if form == "contact":
            values |= {"last_name": "Lima", "phone": "+55 19 99888-7766"}
        values["sending"] = uuid.uuid4().hex

        def send() -> bool:
            status = self.place.post_form(form, values)
            promise.accepted = promise.accepted or status == 302
            return status == 302 or self.is_final(status, f"form {form}")

        return send

    def _attempt(self) -> Callable[[], bool]:
        try:
            lead_id = self._callable.pop()
        except IndexError:
            return lambda: True
        attempt = Attempt(uuid.uuid4().hex)
        with self._lock:
            self.book.attempts.append(attempt)
        body = {"channel": "call", "outcome": "reached", "note": attempt.note}

        def send() -> bool:
            try:
                status, _answer = self.place.post(f"/api/v1/leads/{lead_id}/attempts/", body)
            except (OSError, http.client.HTTPException, ValueError):
                return True
            attempt.accepted = status == 200
            return True

        return send

    def is_final(self, status: int, answer: Any) -> bool:
        """Whether an answer is a no. "Still running", "too many" and "out of order" are to be asked again."""
        if status in {409, 429} or status >= 500:
            return False
        self._refused(f"{status}: {str(answer)[:300]}")
        return True

    def _refused(self, what: str) -> None:
        with self._lock:
            self.book.refusals.append(what)
