"""A machine behind a branch, for the tests: TCP on 443, HTTP on 80 and DNS on 53 of one address."""

from __future__ import annotations

import http.server
import socket
import sys
import threading

import dns.message


class Pages(http.server.BaseHTTPRequestHandler):
    """A page that is well, and one that is not."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def answer_names(address: str) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        data, client = server.recvfrom(4096)
        server.sendto(dns.message.make_response(dns.message.from_wire(data)).to_wire(), client)


def accept(address: str) -> None:
    server = socket.create_server((address, 443))
    while True:
        server.accept()[0].close()


if __name__ == "__main__":
    own = sys.argv[1]
    for serve in (answer_names, accept):
        threading.Thread(target=serve, args=(own,), daemon=True).start()
    pages = http.server.ThreadingHTTPServer((own, 80), Pages)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    pages.serve_forever()
