"""A mail server that keeps what it is given and answers as it is told."""

import random
import re
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

TAKEN = "taken"


@dataclass
class Sink:
    """``slowest_ms`` is the longest it takes over an answer. ``rude`` is the share of messages (0 to 1) that it takes and
    then hangs up on without an answer, ``busy`` the share it asks to send later."""

    dice: random.Random
    slowest_ms: float = 0
    rude: float = 0
    busy: float = 0
    port: int = 0
    # Called with each command before it is answered, and with TAKEN once a message is in.
    trap: Callable[[str], None] | None = None
    taken: Counter[str] = field(default_factory=Counter)
    hung_up: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, data: bytes) -> str:
        """Keep a message by its Message-ID; returns what to answer, nothing to hang up."""
        found = re.search(rb"^Message-ID: (<[^>]+>)\r?$", data, re.MULTILINE)
        assert found is not None, data[:500]
        name = found[1].decode()
        with self._lock:
            fate = self.dice.random()
            if fate < self.busy:
                return "451 4.3.0 Try again later"
            self.taken[name] += 1
            if fate < self.busy + self.rude:
                self.hung_up.add(name)
                return ""
        return "250 2.0.0 Taken"

    def think(self, command: str) -> None:
        """Take some time, so that a kill finds its place between two commands."""
        if self.trap is not None:
            self.trap(command)
        if self.slowest_ms:
            with self._lock:
                seconds = self.dice.uniform(0, self.slowest_ms) / 1000
            time.sleep(seconds)


class _Conversation(socketserver.StreamRequestHandler):
    sink: Sink

    def handle(self) -> None:
        try:
            self._say("220 sink ESMTP")
            while line := self.rfile.readline():
                verb = line.split(b" ")[0].strip().upper()
                self.sink.think(verb.decode())
                if not self._answer(verb):
                    return
        except OSError:
            return  # whoever was talking has been killed

    def _answer(self, verb: bytes) -> bool:
        if verb == b"QUIT":
            self._say("221 Bye")
            return False
        if verb != b"DATA":
            self._say("250 Fine")
            return True
        self._say("354 Go on")
        data = bytearray()
        while not data.endswith(b"\r\n.\r\n"):
            line = self.rfile.readline()
            if not line:
                return False
            data += line
        answer = self.sink.take(bytes(data))
        if not answer:
            return False
        self.sink.think(TAKEN)
        self._say(answer)
        return True

    def _say(self, words: str) -> None:
        self.wfile.write(words.encode() + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


@contextmanager
def mail_sink(
    dice: random.Random, *, slowest_ms: float = 0, rude: float = 0, busy: float = 0
) -> Iterator[Sink]:
    """A mail server on a port of its own, for as long as the block lasts."""
    sink = Sink(random.Random(dice.random()), slowest_ms, rude, busy)
    handler = type("Conversation", (_Conversation,), {"sink": sink})
    with _Server(("127.0.0.1", 0), handler) as server:
        sink.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield sink
        finally:
            server.shutdown()
