"""Serves a customer's function as a test wants it: the first line printed is the port, then comes a line of JSON for
each request that was answered. It ends when its standard input does, so nothing is left running."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def receive(answer):
    """Serves `answer`, which makes a status and a text of headers and body."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            status, text = answer(headers, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())
            accepted = 200 <= status < 300
            request = {"names": list(self.headers.keys()), "headers": headers, "body": body.decode()}
            # In one piece, because another thread may write a line as well.
            print(json.dumps({"accepted": accepted, "status": status, **request}) + "\n", end="", flush=True)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=end_with_input, daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


def end_with_input():
    sys.stdin.read()
    os._exit(0)
