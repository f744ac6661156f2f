"""Compares the broker with nginx as a plain reverse proxy, and with no proxy at all. See scripts/bench.

One core is the proxies'; the other is shared by the upstream and the clients. All three stand up at once
and take turns, round by round, so that whatever else the machine does falls on all of them. What is
compared is CPU time, which is theirs alone; requests a second also depend on the core of the clients.
"""

import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "crates" / "server" / "tests" / "e2e"))

from harness import Broker, Process, free_port, request, this_run, wait_until  # noqa: E402
from people import App, User, access  # noqa: E402

PROXY_CORE, LOAD_CORE = "0", "1"
PATH = "/openai/v1/chat/completions"
TICKS = os.sysconf("SC_CLK_TCK")
FOLDER = ROOT / "target" / "bench"
ROUNDS = int(os.environ.get("AIPASSPORT_BENCH_ROUNDS", "3"))
SECONDS = int(os.environ.get("AIPASSPORT_BENCH_SECONDS", "4"))
NEVER_SEEN_TOKENS = 1500
STARTS = 10

# Name: (kind of load, connections, further arguments).
SCENARIOS = {
    "64 connections": ("closed", 64, []),
    "1 connection": ("closed", 1, []),
    "500 a second": ("rate", 32, ["500"]),
    "burst streams": ("burst", 16, []),
    "paced streams": ("paced", 100, []),
}


class Upstream:
    """Where the broker and nginx send calls. Stands where the harness has its sandbox."""

    def __init__(self, load):
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.process = Process(["taskset", "-c", LOAD_CORE, load, "upstream", self.address], FOLDER / "upstream.log")
        wait_until(lambda: is_open(self.url), 5, "the upstream listens")


class Nginx:
    def __init__(self, upstream):
        self.address = f"127.0.0.1:{free_port()}"
        folder = FOLDER / "nginx"
        folder.mkdir()
        values = {"FOLDER": str(folder), "UPSTREAM": upstream.address, "LISTEN": self.address}
        text = (ROOT / "bench" / "nginx.conf").read_text()
        for name, value in values.items():
            text = text.replace(name, value)
        (folder / "nginx.conf").write_text(text)
        binary = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        command = ["taskset", "-c", PROXY_CORE, binary, "-c", folder / "nginx.conf", "-e", folder / "nginx.log"]
        self.process = Process(command, folder / "log")
        wait_until(lambda: is_open(f"http://{self.address}"), 5, "nginx listens")


class PinnedBroker(Broker):
    """The broker with everything on, alone on its core, logging as it does by default."""

    def _command(self, *arguments):
        pinned = ["taskset", "-c", PROXY_CORE] if "serve" in arguments else []
        return [*pinned, *super()._command(*arguments)]

    def _environment(self):
        return super()._environment() | {"AIPASSPORT_LOG": "info"}


class Target:
    """One of the three that are compared."""

    def __init__(self, name, address, pid=None):
        self.name, self.address, self.pid = name, address, pid

    def cpu_seconds(self):
        return sum(process_cpu_seconds(pid) for pid in [self.pid, *children(self.pid)]) if self.pid else None

    def measure(self, load, scenario, tokens, seconds=SECONDS):
        kind, connections, more = SCENARIOS[scenario]
        command = ["taskset", "-c", LOAD_CORE, load, kind, self.address, PATH, tokens, seconds, connections, *more]
        before = self.cpu_seconds()
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds + 60, check=True)
        report = json.loads(done.stdout)
        if report["refused"] or report["errors"]:
            raise SystemExit(f"{self.name}, {scenario}: {report['refused']} refused, {report['errors']} broken")
        if before is not None:
            report["cpu_us"] = (self.cpu_seconds() - before) / report["calls"] * 1e6
        report["per_second"] = report["calls"] / report["seconds"]
        return report


def main():
    load, binary = (ROOT / "target" / "release" / name for name in ("examples/load", "aipassport"))
    os.environ["AIPASSPORT_BINARY"] = str(binary)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    upstream = Upstream(load)
    nginx = Nginx(upstream)
    broker = PinnedBroker(this_run(), upstream, settings=SETTINGS)
    broker.start()
    idle = memory(broker.process.pid)

    tokens = prepare(broker)
    targets = [
        Target("direct", upstream.address),
        Target("nginx", nginx.address, nginx.process.pid),
        Target("broker", urllib.parse.urlsplit(broker.url).netloc, broker.process.pid),
    ]
    measured = {scenario: {target.name: [] for target in targets} for scenario in SCENARIOS}
    for target in targets:
        target.measure(load, "64 connections", tokens["one"], seconds=1)
    for number in range(ROUNDS):
        for scenario, reports in measured.items():
            print(f"round {number + 1} of {ROUNDS}: {scenario}", flush=True)
            for target in targets:
                reports[target.name].append(target.measure(load, scenario, tokens["one"]))
    never_seen = targets[2].measure(load, "64 connections", tokens["many"], seconds=60)
    loaded = memory(broker.process.pid)
    # What was forwarded was also charged: otherwise this would measure something else.
    broker.doctor()

    results = {
        "scenarios": {scenario: {name: median(rounds) for name, rounds in by_target.items()} for scenario, by_target in measured.items()},
        "never_seen_token_cpu_us": never_seen["cpu_us"],
        "fdatasync_us": fdatasync_us(broker.data),
        "idle_memory_mib": idle,
        "loaded_memory_mib": loaded,
        "first_answer_ms": first_answers(broker),
        "binary_mb": binary.stat().st_size / 1e6,
        "rounds": ROUNDS,
        "seconds": SECONDS,
    }  # fmt: skip
    broker.stop()
    (FOLDER / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print_table(results)


SETTINGS = """
[grants]
budget = { amount = "1000000.00", per = "P1M" }
requests = { max = 1000000000, per = "P1M" }
rate = { requests = 1000000000, per = "PT1M" }
concurrency = 4096
"""


def prepare(broker):
    """A grant that no load uses up, a token for the usual case, and many that are each shown once."""
    user = User(broker, "bench")
    app = App(broker)
    limits = {"concurrency": 4096, "rate": [{"requests": 1_000_000_000, "per": "PT1M"}], "requests": {"max": 1_000_000_000}}
    grant = app.connect(user.browser(), [access("openai", budget="1000000.00", **limits)])
    many = []
    for _ in range(NEVER_SEEN_TOKENS):
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, "client_id": app.client_id}
        refreshed = request(broker.url, "POST", "/oauth/token", form=form).json()
        grant.refresh_token = refreshed["refresh_token"]
        many.append(refreshed["access_token"])
    files = {"one": FOLDER / "token", "many": FOLDER / "tokens"}
    files["one"].write_text(grant.token)
    files["many"].write_text("\n".join(many))
    return files


def median(rounds):
    """The median of each figure over the rounds."""
    merged = {}
    for name, value in rounds[0].items():
        values = [report[name] for report in rounds]
        if isinstance(value, dict):
            merged[name] = median(values)
        elif all(isinstance(one, (int, float)) for one in values):
            merged[name] = statistics.median(values)
    return merged


def print_table(results):
    def row(what, scenario, *path, unit=""):
        values = []
        for name in ("direct", "nginx", "broker"):
            value = results["scenarios"][scenario][name]
            for step in path:
                value = (value or {}).get(step)
            values.append(value)
        ratio = f"{values[2] / values[1]:8.2f} x" if values[1] and values[2] else " " * 10
        shown = "".join(f"{value:12,.0f}" if value is not None else f"{'-':>12}" for value in values)
        print(f"{what:44}{shown}{ratio}   {unit}")

    print(f"\n{'':44}{'direct':>12}{'nginx':>12}{'broker':>12}    to nginx")
    for scenario in ("64 connections", "1 connection"):
        row(f"{scenario}: requests a second", scenario, "per_second")
    row("64 connections: CPU per request", "64 connections", "cpu_us", unit="µs")
    for scenario in ("1 connection", "500 a second"):
        for percentile in ("p50", "p99"):
            row(f"{scenario}: latency {percentile}", scenario, "latency_us", percentile, unit="µs")
    row("500 a second: CPU per request", "500 a second", "cpu_us", unit="µs")
    row("burst of 52 events: streams a second", "burst streams", "per_second")
    for scenario, name in {"burst streams": "burst of 52 events", "paced streams": "52 events, one every 10 ms"}.items():
        row(f"{name}: first byte p50", scenario, "first_byte_us", "p50", unit="µs")
        row(f"{name}: CPU per stream", scenario, "cpu_us", unit="µs")
    for percentile in ("p50", "p99"):
        row(f"52 events, one every 10 ms: event {percentile}", "paced streams", "event_delay_us", percentile, unit="µs late")

    nginx = results["scenarios"]["64 connections"]["nginx"]["cpu_us"]
    never_seen = results["never_seen_token_cpu_us"]
    added = results["scenarios"]["1 connection"]["broker"]["latency_us"]["p50"] - results["scenarios"]["1 connection"]["direct"]["latency_us"]["p50"]
    print(f"\na token never seen before: CPU per request {never_seen:.0f} µs, {never_seen / nginx:.2f} x nginx")
    print(f"added at one connection: p50 {added:.0f} µs, of which one fdatasync here takes {results['fdatasync_us']:.0f} µs")
    print(f"memory: {results['idle_memory_mib']:.1f} MiB idle, {results['loaded_memory_mib']:.1f} MiB after the load")
    print(f"start to first answer: {results['first_answer_ms']['median']:.0f} ms (median of {STARTS}, fastest {results['first_answer_ms']['least']:.0f})")
    print(f"binary: {results['binary_mb']:.1f} MB")
    print(f"written to {(FOLDER / 'results.json').relative_to(ROOT)}")


def first_answers(broker):
    """From the start of the process to its first answer, on data that is there."""
    took = []
    for _ in range(STARTS):
        code = broker.process.stop()
        assert code == 0, code
        took.append(broker.start() * 1000)
    return {"median": statistics.median(took), "least": min(took)}


def fdatasync_us(folder):
    """What it costs here to make one small write durable."""
    file = folder / "fdatasync"
    took = []
    with open(file, "wb", buffering=0) as written:
        for _ in range(300):
            written.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(written.fileno())
            took.append(time.perf_counter() - began)
    file.unlink()
    return statistics.median(took) * 1e6


def process_cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory(pid):
    line = next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def is_open(url):
    try:
        request(url, "POST", PATH, {})
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("the bench needs two cores: one for the proxies, one for the load")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
