"""Another system that is told: a small web server that keeps what it got and answers as a test wants."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came in, and what to answer: status, headers, body."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    status: int = 200
    answer: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    # Called in place of an answer.
    instead: Callable[[BaseHTTPRequestHandler], None] | None = None

    @property
    def ids(self) -> list[str]:
        """The webhook-id of each request."""
        return [each.headers["webhook-id"] for each in self.got]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a port of its own."""
    about = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            about.got.append(Received(self.path, headers, body))
            if about.instead is not None:
                about.instead(self)
                return
            self.send_response(about.status)
            for name, value in about.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(about.answer)))
            self.end_headers()
            self.wfile.write(about.answer)

        def log_message(self, *_arguments: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    about.url = f"http://127.0.0.1:{server.server_port}/hooks?from=leadsys"
    try:
        yield about
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
