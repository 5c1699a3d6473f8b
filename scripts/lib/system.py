"""A whole system for scripts: four roles on a database and a virtual host of their own, a publisher and a receiver.

Everything listens on loopback ports that were free a moment ago, and is gone at the end of the `with` block. Only Python's
standard library is used; PostgreSQL and RabbitMQ are those of `scripts/services`, or of the environment (see there).
"""

import base64
import http.server
import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROLES = ("log", "ingest", "dispatcher", "control")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, condition, seconds=60):
    """Waits until the condition gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise TimeoutError(f"waited {seconds} s for {what}")


def call(url, body=None, headers={}, method=None, seconds=10):
    """The status and the text of an answer; (0, why) if there was none."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", **headers}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


class Services:
    """PostgreSQL and RabbitMQ: those of scripts/services with this name and first port."""

    def __init__(self, root, name=None, port=None):
        self.script = str(root / "scripts/services")
        self.environment = dict(os.environ)
        if name:
            self.environment |= {"TIDINGS_SERVICES_NAME": name, "TIDINGS_SERVICES_PORT": str(port)}
        self.run("up")
        lines = self.run("env").splitlines()
        variables = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
        strip = lambda name: variables[name].strip("'\"")
        self.database, self.amqp = strip("TIDINGS_TEST_DATABASE_URL"), strip("TIDINGS_TEST_AMQP_URL")
        self.api = strip("TIDINGS_TEST_RABBITMQ_API")

    def run(self, *arguments):
        ended = subprocess.run([self.script, *arguments], env=self.environment, stdout=subprocess.PIPE, text=True)
        if ended.returncode:
            raise RuntimeError(f"scripts/services {' '.join(arguments)} failed")
        return ended.stdout

    def sql(self, statement, database=None):
        url = self.database if database is None else self.database.rsplit("/", 1)[0] + "/" + database
        done = subprocess.run(["psql", "-qAt", url, "-v", "ON_ERROR_STOP=1", "-c", statement], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def broker(self, method, path, body=None):
        """A request to RabbitMQ's management API."""
        scheme, rest = self.api.split("://")
        login, host = rest.rsplit("@", 1)
        headers = {"authorization": "Basic " + base64.b64encode(login.encode()).decode()}
        return call(f"{scheme}://{host}/api/{path}", body, headers, method)


class Receiver:
    """Answers every request with `status` after `delay`, and remembers the `webhook-id` of each that got 200."""

    def __init__(self):
        self.status, self.delay, self.seen, self.lock = 200, 0.0, {}, threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                time.sleep(outer.delay)
                status, event = outer.status, self.headers.get("webhook-id")
                if status == 200:
                    with outer.lock:
                        outer.seen[event] = outer.seen.get(event, 0) + 1
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


class Publisher:
    """Publishes at a steady rate. What is not accepted is published again, under the same idempotency key if it has any."""

    def __init__(self, url, key, per_second, with_keys=True):
        self.url, self.headers, self.with_keys = url, {"authorization": f"Bearer {key}"}, with_keys
        self.pause, self.accepted, self.tries_failed, self.ended = 1 / per_second, set(), 0, threading.Event()
        self.lock, self.number = threading.Lock(), 0
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.ended.is_set():
            with self.lock:
                self.number += 1
                key = f"load-{self.number}"
            while not self.publish(key) and not self.ended.is_set():
                time.sleep(0.1)
            time.sleep(self.pause * len(self.threads))

    def publish(self, key):
        event = {"event_type": "load.test", "payload": {"key": key}}
        if self.with_keys:
            event["idempotency_key"] = key
        status, text = call(f"{self.url}/api/v2/events", event, self.headers)
        with self.lock:
            if status == 202:
                self.accepted.add(json.loads(text)["event_id"])
            else:
                self.tries_failed += 1
        return status == 202

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        return self.accepted


class System:
    """The four roles. `set` changes their environment from their next start on."""

    def __init__(self, root, binary, services, **variables):
        self.root, self.binary, self.services = pathlib.Path(root), str(binary), services
        self.name = "script_" + secrets.token_hex(4)
        self.directory = tempfile.TemporaryDirectory(prefix="tidings-")
        self.processes, self.logs = {}, {}
        ports = {name: free_port() for name in ("ingest", "http", "log", "control", "rest", "dispatcher")}
        self.monitors = {role: free_port() for role in ROLES}
        at = lambda name: f"127.0.0.1:{ports[name]}"
        self.publish_url, self.api_url = f"http://{at('http')}", f"http://{at('rest')}"
        self.environment = {
            "DATABASE__URL": services.database.rsplit("/", 1)[0] + "/" + self.name,
            "AMQP__URL": services.amqp.rsplit("/", 1)[0] + "/" + self.name,
            "AMQP__MANAGEMENT_URL": services.api,
            "AMQP__SHARDS": "2",
            "AMQP__SETTLE": "100ms",
            "SECRETS__KEYS": json.dumps(["k1:" + base64.b64encode(secrets.token_bytes(32)).decode()]),
            "INTERNAL__TOKEN": secrets.token_hex(16),
            "DESTINATIONS__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            "INGEST__GRPC_ADDRESS": at("ingest"),
            "INGEST__HTTP_ADDRESS": at("http"),
            "LOG__GRPC_ADDRESS": at("log"),
            "CONTROL__GRPC_ADDRESS": at("control"),
            "CONTROL__HTTP_ADDRESS": at("rest"),
            "DISPATCHER__GRPC_ADDRESS": at("dispatcher"),
            "LOG_CLIENT__SERVERS": json.dumps([f"http://{at('log')}"]),
            "DISPATCHER_CLIENT__SERVERS": json.dumps([f"http://{at('dispatcher')}"]),
            **variables,
        }

    def __enter__(self):
        self.services.sql(f"CREATE DATABASE {self.name}")
        self.services.broker("PUT", f"vhosts/{self.name}")
        return self

    def __exit__(self, *_):
        for role in list(self.processes):
            self.kill(role)
        self.services.broker("DELETE", f"vhosts/{self.name}")
        self.services.sql(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        self.directory.cleanup()

    def set(self, **variables):
        self.environment |= variables

    def variables(self, role=None):
        own = {f"TIDINGS_{name}": value for name, value in self.environment.items()}
        if role:
            own["TIDINGS_MONITOR__ADDRESS"] = f"127.0.0.1:{self.monitors[role]}"
        return {**os.environ, **own}

    def command(self, *arguments, binary=None):
        """Runs a subcommand to its end: its status, and what it said."""
        program = [str(binary or self.binary), *arguments]
        done = subprocess.run(program, env=self.variables(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.returncode, (done.stdout + done.stderr).strip()

    def prepare(self):
        """Migrates, and makes the operator's key, a tenant with a key that publishes, and an endpoint for everything."""
        status, said = self.command("migrate")
        assert status == 0, said
        status, said = self.command("admin", "bootstrap")
        assert status == 0, said
        self.operator = next(word for word in said.split() if word.startswith("tk_"))

    def tenant(self, url):
        """A tenant with an endpoint; returns its key and its id."""
        headers = {"authorization": f"Bearer {self.operator}"}
        made = self.api("POST", "tenants", {"name": "Script"}, headers)
        self.endpoint(made["tenant"]["id"], url, schedule=["1s"] * 10)
        return made["token"], made["tenant"]["id"]

    def endpoint(self, tenant, url, **more):
        headers = {"authorization": f"Bearer {self.operator}"}
        body = {"tenant_id": tenant, "url": url, "subscriptions": [{"pattern": "*"}], **more}
        return self.api("POST", "endpoints", body, headers)

    def api(self, method, path, body, headers):
        status, text = call(f"{self.api_url}/api/v2/{path}", body, headers, method)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {text}")
        return json.loads(text)

    def start(self, *roles, binary=None):
        for role in roles or ROLES:
            log = open(os.path.join(self.directory.name, f"{role}.log"), "ab")
            program = [str(binary or self.binary), role]
            self.processes[role] = subprocess.Popen(
                program, env=self.variables(role), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        for role in roles or ROLES:
            wait_until(f"{role} to be ready: {self.log(role)}", lambda: self.ready(role))

    def ready(self, role):
        if self.processes[role].poll() is not None:
            raise RuntimeError(f"{role} ended: {self.log(role)}")
        return call(f"http://127.0.0.1:{self.monitors[role]}/readyz")[0] == 200

    def log(self, role, lines=5):
        text = pathlib.Path(self.directory.name, f"{role}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def metrics(self, role):
        return call(f"http://127.0.0.1:{self.monitors[role]}/metrics")[1]

    def stop(self, *roles, seconds=60):
        for role in roles or ROLES:
            self.processes[role].terminate()
        for role in roles or ROLES:
            self.processes.pop(role).wait(seconds)

    def signal(self, role, which=signal.SIGKILL):
        self.processes[role].send_signal(which)

    def kill(self, role):
        process = self.processes.pop(role)
        process.send_signal(signal.SIGKILL)
        process.wait()
