"""What the end-to-end tests look at from outside: the broker and the sandbox provider as processes.

Only the binary, its command line and HTTP are used. Everything a run leaves behind (data, logs, what
clients printed) lies under one folder, `Run.folder`, so that the last test can search it for secrets.
"""

import atexit
import contextlib
import functools
import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[4]
TOOLS = ROOT / "target" / "e2e"
PYTHON = TOOLS / "python" / "bin" / "python"

# What must never be found anywhere: see canary.py. The provider key has the length of a real one.
PROVIDER_KEY = "sk-canary-" + secrets.token_hex(24)
PROMPT = 'the heron "folds" its ümbrella / ' + secrets.token_hex(16)
PASSWORD = "canary-password-" + secrets.token_hex(12)

# Whose answers are meant to hold secrets.
TOKEN_PATHS = {"/oauth/token", "/tokens", "/grant-requests"}
SECRET_COMMANDS = {("user", "token"), ("client", "add"), ("webhook", "add"), ("webhook", "replace-secret")}

START_SECONDS = 30
STOP_SECONDS = 40


class Run:
    """One run of the tests: the binary under test, and a folder of its own."""

    def __init__(self):
        default = ROOT / "target" / "debug" / "aipassport"
        self.binary = pathlib.Path(os.environ.get("AIPASSPORT_BINARY", default))
        if not self.binary.exists():
            raise SystemExit(f"{self.binary} is missing: build it with cargo build, or name it in AIPASSPORT_BINARY")
        runs = TOOLS / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        self.folder = runs / time.strftime("%H%M%S")
        self.folder.mkdir(parents=True)
        self._names = {}

    def new_folder(self, name):
        count = self._names[name] = self._names.get(name, 0) + 1
        folder = self.folder / (name if count == 1 else f"{name}-{count}")
        folder.mkdir()
        return folder


@functools.cache
def this_run():
    """The run that this process is."""
    return Run()


class Process:
    """A process of ours, ended by its id at the latest when the tests end."""

    def __init__(self, command, log, **options):
        self._log = open(log, "ab")
        options = {"stdin": subprocess.DEVNULL, "stdout": self._log, "stderr": self._log} | options
        self.popen = subprocess.Popen([str(part) for part in command], **options)
        self.log = pathlib.Path(log)
        atexit.register(self.kill)

    @property
    def pid(self):
        return self.popen.pid

    def is_running(self):
        return self.popen.poll() is None

    def stop(self):
        """Asks it to stop, and says with which exit code it did."""
        if self.is_running():
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.popen.args[0]} did not stop within {STOP_SECONDS} s: {self.tail()}") from None

    def kill(self):
        """Gives it no chance to say goodbye (SIGKILL)."""
        if self.is_running():
            self.popen.kill()
        self.popen.wait()

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


class Sandbox:
    """The sandbox provider and its bill."""

    def __init__(self, run, listen="127.0.0.1:0", keep_requests=0, require_key=None):
        folder = run.new_folder("sandbox")
        switches = ["--keep-requests", keep_requests, *(["--require-key", require_key] if require_key else [])]
        command = [run.binary, "--json", "sandbox-provider", "--listen", listen, *switches]
        self._process = Process(command, folder / "log", stdout=subprocess.PIPE)
        line = self._process.popen.stdout.readline()
        if not line:
            raise AssertionError(f"the sandbox provider does not start: {self._process.tail()}")
        self.url = json.loads(line)["url"]
        self.address = urllib.parse.urlsplit(self.url).netloc

    def bill(self, tag=None):
        """The rows of the bill, or those of calls with this tag in their prompt."""
        rows = self._get("/sandbox/bill")["rows"]
        return [row for row in rows if tag is None or row["tag"] == tag]

    def totals(self):
        return self._get("/sandbox/bill")["totals"]

    def seen(self):
        """How often each path was requested."""
        return self._get("/sandbox/seen")

    def calls_seen(self):
        """How many requests for an answer arrived, also those that were answered with an error."""
        return sum(count for path, count in self.seen().items() if path.startswith("POST") and "count_tokens" not in path)

    def open_calls(self):
        return self._get("/sandbox/open")["open"]

    def reset(self):
        request(self.url, "POST", "/sandbox/reset")

    def stop(self):
        self._process.stop()

    def _get(self, path):
        return request(self.url, "GET", path).json()


class Broker:
    """One broker: its data, its command line and, once started, its process."""

    def __init__(self, run, sandbox, name="broker", database="sqlite", settings=""):
        self.run = run
        self.folder = run.new_folder(name)
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        self._settings = self.data / "aipassport.toml"
        self._settings.write_text(settings)
        self.sandbox = sandbox
        self.url = f"http://127.0.0.1:{free_port()}"
        self.postgres = Postgres(self.folder) if database == "postgres" else None
        self.process = None

    @classmethod
    def started(cls, run, sandbox, **options):
        broker = cls(run, sandbox, **options)
        broker.start()
        return broker

    def start(self):
        """Starts it, and gives the seconds until its first answer."""
        address = urllib.parse.urlsplit(self.url).netloc
        command = self._command("serve", "--listen", address, "--allow-upstream", self.sandbox.address)
        started = time.monotonic()
        self.process = Process(command, self.folder / "log", env=self._environment(), cwd=self.data)
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if request(self.url, "GET", "/health").status == 200:
                    return time.monotonic() - started
            if not self.process.is_running():
                raise AssertionError(f"the broker does not start: {self.process.tail()}")
            if time.monotonic() - started > START_SECONDS:
                raise AssertionError(f"the broker is not ready within {START_SECONDS} s: {self.process.tail()}")
            time.sleep(0.001)

    def stop(self):
        """Stops it as an operator would; it must come to its end by itself."""
        environment = pathlib.Path(f"/proc/{self.process.pid}/environ")
        if environment.exists():
            (self.folder / "environ").write_bytes(environment.read_bytes())
        code = self.process.stop()
        if self.postgres:
            shutil.copytree(self.postgres.folder / "data", self.folder / "postgres", ignore=shutil.ignore_patterns("*.pid"))
            self.postgres.stop()
        assert code == 0, f"the broker ended with {code}: {self.process.tail()}"

    def kill(self):
        self.process.kill()

    def command(self, *arguments, stdin=None, code=0):
        """Runs a command of the binary on this broker's data, and gives the JSON it prints."""
        done = subprocess.run(
            self._command("--json", *arguments), input=stdin, capture_output=True, text=True, timeout=60,
            env=self._environment(), cwd=self.data, check=False,
        )  # fmt: skip
        with open(self.folder / "commands", "a") as kept:
            # A few commands are meant to print a secret, once. Nothing else may.
            shown = "" if arguments[:2] in SECRET_COMMANDS else done.stdout
            kept.write(f"{' '.join(arguments[:2])}: {done.returncode}\n{shown}{done.stderr}")
        if done.returncode != code:
            raise AssertionError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def doctor(self):
        """Fails unless everything is in order."""
        report = self.command("doctor", code=0)
        assert report["ok"], report

    def _command(self, *arguments):
        return [str(self.run.binary), *arguments]

    def _environment(self):
        database = {"AIPASSPORT_DATABASE_URL": self.postgres.url} if self.postgres else {}
        quiet = {name: value for name, value in os.environ.items() if not name.startswith(("AIPASSPORT_", "OPENAI_", "ANTHROPIC_"))}
        return quiet | database | {"AIPASSPORT_DATA_DIR": str(self.data), "AIPASSPORT_LOG": "trace", "RUST_BACKTRACE": "0"}


class Postgres:
    """A throw-away PostgreSQL. It is gone when its standard input closes."""

    def __init__(self, folder):
        # Its socket's path must be short, so it is not kept in the run's folder.
        self._process = Process([ROOT / "scripts" / "postgres"], folder / "postgres.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = self._process.popen.stdout.readline().decode().strip()
        assert self.url, self._process.tail()
        self.folder = pathlib.Path(urllib.parse.parse_qs(urllib.parse.urlsplit(self.url).query)["host"][0])

    def stop(self):
        self._process.popen.stdin.close()
        self._process.popen.wait(STOP_SECONDS)


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.body.decode()


def request(base, method, path, body=None, headers=None, form=None, timeout=30):
    """Sends one request on a connection of its own; follows nothing. `body` is sent as JSON."""
    url = urllib.parse.urlsplit(base)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname, url.port, timeout=timeout)
    headers = dict(headers or {})
    if form is not None:
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
        body = urllib.parse.urlencode(form, doseq=True)
    elif body is not None:
        headers.setdefault("content-type", "application/json")
        body = json.dumps(body)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = Answer(connection.getresponse())
    finally:
        connection.close()
    if path not in TOKEN_PATHS:
        with open(this_run().folder / "answers", "ab") as kept:
            kept.write(b"%d\n%s\n" % (answer.status, answer.body))
    return answer


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(is_so, seconds, what):
    """Waits for what happens by itself, without a fixed pause."""
    until = time.monotonic() + seconds
    while not (found := is_so()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return found
