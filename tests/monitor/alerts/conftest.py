"""A receiver on localhost that can be down, refuse, hang and come back."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Receiver:
    """POSTs that it took, in order. *answer* is a status, or "hang"."""

    def __init__(self):
        self.answer = 200
        self.headers = {}
        self.taken, self.seen = [], []
        self.let_go = threading.Event()
        self.address = ("127.0.0.1", 0)
        self._server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.address[1]}/hook/s3cret?token=s3cret"

    def start(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.seen.append((body, dict(self.headers)))
                if receiver.answer == "hang":
                    receiver.let_go.wait(20)
                    return
                self.send_response(receiver.answer)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                if receiver.answer == 200:
                    receiver.taken.append(body)  # before the sender hears of it, who may then send the next at once
                self.end_headers()

            def do_GET(self):
                receiver.seen.append(("GET", self.path))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass

        self._server = Server(self.address, Handler)
        self.address = self._server.server_address
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def stop(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait(self, count, timeout_s=10):
        deadline = time.monotonic() + timeout_s
        while len(self.taken) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return [body["rule"] for body in self.taken]


@pytest.fixture
def receiver(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    made = Receiver().start()
    yield made
    made.let_go.set()
    made.stop()
