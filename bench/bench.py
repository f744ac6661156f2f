"""Compares the broker with nginx as a plain reverse proxy, and with no proxy at all. See scripts/bench.

One core is the proxies'; the other is shared by the upstream and the clients. All three stand up at once
and take turns, round by round, so that whatever else the machine does falls on all of them. What is
compared is CPU time, which is theirs alone; requests a second also depend on the core of the clients.
"""

import json
import os
import pathlib
import resource
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

# The short form only shows that all of this works, with whatever was built: its figures mean nothing.
IS_SHORT = sys.argv[1:] == ["short"]
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, LOAD_CORE = str(CORES[0]), str(CORES[-1])
TICKS = os.sysconf("SC_CLK_TCK")
FOLDER = ROOT / "target" / ("bench-short" if IS_SHORT else "bench")
ROUNDS = 1 if IS_SHORT else int(os.environ.get("AIPASSPORT_BENCH_ROUNDS", "3"))
SECONDS = 0.5 if IS_SHORT else float(os.environ.get("AIPASSPORT_BENCH_SECONDS", "4"))
NEVER_SEEN_TOKENS = 20 if IS_SHORT else 1500
STARTS = 1 if IS_SHORT else 10
OPEN_STREAMS = 50 if IS_SHORT else 5000
HELD_SECONDS = 1 if IS_SHORT else 6
# Each takes a connection on either side; the rest is for the database, the pool and the like.
DESCRIPTORS_BESIDE = 500

CHAT = "/openai/v1/chat/completions"
MESSAGES = "/anthropic/v1/messages"
EMBEDDINGS = "/openai/v1/embeddings"
TRANSCRIPTIONS = "/openai/v1/audio/transcriptions"
# The broker translates; the others pass on what the provider understands as it is.
FACE = {"broker": "/v1/chat/completions"}


class Scenario:
    """What is asked of each of the three, and how."""

    def __init__(self, kind, connections, path=CHAT, more=(), token="chat", **paths):
        self.kind, self.connections, self.path, self.more, self.token, self.paths = kind, connections, path, more, token, paths

    def command(self, load, target, tokens, seconds):
        path = self.paths.get(target.name, self.path)
        pinned = ["taskset", "-c", LOAD_CORE, load]
        return [str(part) for part in [*pinned, self.kind, target.address, path, tokens[self.token], seconds, self.connections, *self.more]]


SCENARIOS = {
    "64 connections": Scenario("closed", 64),
    "1 connection": Scenario("closed", 1),
    "500 a second": Scenario("rate", 32, more=["500"]),
    "burst streams": Scenario("burst", 16),
    "paced streams": Scenario("paced", 100),
    "embeddings": Scenario("closed", 16, EMBEDDINGS, token="embeddings"),
    "uploads": Scenario("closed", 8, TRANSCRIPTIONS, token="audio"),
    "translated": Scenario("closed", 64, MESSAGES, token="messages", **FACE),
    "translated streams": Scenario("burst", 16, MESSAGES, token="messages", **FACE),
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
        return sum(process_cpu_seconds(pid) for pid in self.pids()) if self.pid else None

    def memory(self):
        return sum(memory(pid) for pid in self.pids())

    def pids(self):
        return [self.pid, *children(self.pid)]

    def measure(self, load, scenario, tokens, seconds=SECONDS):
        command = scenario.command(load, self, tokens, seconds)
        before = self.cpu_seconds()
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
        report = json.loads(done.stdout)
        self.check(scenario, report)
        if before is not None:
            report["cpu_us"] = (self.cpu_seconds() - before) / report["calls"] * 1e6
        report["per_second"] = report["calls"] / report["seconds"]
        return report

    def memory_of_open_streams(self, load, tokens, count):
        """What it takes while so many streams are open, each with an event a second."""
        before = self.memory()
        scenario = Scenario("held", count)
        command = scenario.command(load, self, tokens, HELD_SECONDS)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as held:
            opened = json.loads(held.stdout.readline())
            time.sleep(HELD_SECONDS / 2)
            during = self.memory()
            self.check(scenario, json.loads(held.stdout.readline()))
        if opened["open"] != count or held.returncode != 0:
            raise SystemExit(f"{self.name}: {opened['open']} of {count} streams were opened")
        each = (during - before) * 1024 / count
        return {"streams": count, "before_mib": before, "open_mib": during, "each_kib": each, "opened_in_seconds": opened["seconds"]}

    def check(self, scenario, report):
        if report["refused"] or report["errors"] or not report["calls"]:
            counts = f"{report['calls']} calls, {report['refused']} refused, {report['errors']} broken"
            raise SystemExit(f"{self.name}, {scenario.kind} {scenario.path}: {counts}")


def main():
    load, binary = (ROOT / "target" / ("debug" if IS_SHORT else "release") / name for name in ("examples/load", "aipassport"))
    open_streams = raise_descriptors()
    os.environ["AIPASSPORT_BINARY"] = str(binary)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    upstream = Upstream(load)
    nginx = Nginx(upstream)
    broker = PinnedBroker(this_run(), upstream, settings=SETTINGS)
    broker.start()
    idle = memory(broker.process.pid)

    grant, tokens = prepare(broker)
    targets = [
        Target("direct", upstream.address),
        Target("nginx", nginx.address, nginx.process.pid),
        Target("broker", urllib.parse.urlsplit(broker.url).netloc, broker.process.pid),
    ]
    measured = {scenario: {target.name: [] for target in targets} for scenario in SCENARIOS}
    for target in targets:
        target.measure(load, SCENARIOS["64 connections"], tokens, seconds=min(1, SECONDS))
    for number in range(ROUNDS):
        for scenario, reports in measured.items():
            print(f"round {number + 1} of {ROUNDS}: {scenario}", flush=True)
            for target in targets:
                reports[target.name].append(target.measure(load, SCENARIOS[scenario], tokens))
    never_seen = targets[2].measure(load, Scenario("closed", 64, token="never seen"), tokens, seconds=60)
    loaded = memory(broker.process.pid)
    # From the start, for what it once had a process keeps.
    restart(broker)
    targets[2].pid = broker.process.pid
    streams = {target.name: target.memory_of_open_streams(load, tokens, open_streams) for target in targets[1:]}
    # All of them were hung up on.
    wait_until(lambda: grant.limit("concurrency")["used"] == 0, 60, "every stream is settled")
    # What was forwarded was also charged: otherwise this would measure something else.
    broker.doctor()

    results = {
        "scenarios": {scenario: {name: median(rounds) for name, rounds in by_target.items()} for scenario, by_target in measured.items()},
        "never_seen_token_cpu_us": never_seen["cpu_us"],
        "fdatasync_us": fdatasync_us(broker.data),
        "idle_memory_mib": idle,
        "loaded_memory_mib": loaded,
        "open_streams": streams,
        "first_answer_ms": first_answers(broker),
        "binary_mb": binary.stat().st_size / 1e6,
        "rounds": ROUNDS,
        "seconds": SECONDS,
    }  # fmt: skip
    broker.stop()
    (FOLDER / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print_table(results)


SETTINGS = """
[tokens]
access_seconds = 7200

[grants]
budget = { amount = "1000000.00", per = "P1M" }
requests = { max = 1000000000, per = "P1M" }
rate = { requests = 1000000000, per = "PT1M" }
concurrency = 10000

[requests]
most_connections = 10000
"""


def prepare(broker):
    """A grant that no load uses up for each kind of call, a token for each, and many that are each shown once."""
    user = User(broker, "bench")
    app, browser = App(broker), user.browser()
    limits = {"concurrency": 10_000, "rate": [{"requests": 1_000_000_000, "per": "PT1M"}], "requests": {"max": 1_000_000_000}}

    def granted(provider, capability="chat", **models):
        details = access(provider, budget="1000000.00", capabilities=[capability], **models, **limits)
        return app.connect(browser, [details], **{f"{provider}.capability": capability})

    grant = granted("openai")
    tokens = {
        "chat": [grant.token],
        "messages": [granted("anthropic").token],
        "embeddings": [granted("openai", "embeddings", models=["text-embedding-3-small"]).token],
        "audio": [granted("openai", "audio", models=["gpt-4o-mini-transcribe"]).token],
        "never seen": [],
    }
    for _ in range(NEVER_SEEN_TOKENS):
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, "client_id": app.client_id}
        refreshed = request(broker.url, "POST", "/oauth/token", form=form).json()
        grant.refresh_token = refreshed["refresh_token"]
        tokens["never seen"].append(refreshed["access_token"])
    files = {name: FOLDER / f"{name} tokens" for name in tokens}
    for name, file in files.items():
        file.write_text("\n".join(tokens[name]))
    return grant, files


def raise_descriptors():
    """Lets what is started here open as many files as this machine allows, and says how many streams that makes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    streams = OPEN_STREAMS if most == resource.RLIM_INFINITY else min(OPEN_STREAMS, (most - DESCRIPTORS_BESIDE) // 2)
    if streams < OPEN_STREAMS:
        print(f"this machine allows a process {most} open files (ulimit -Hn): {streams} streams are opened, not {OPEN_STREAMS}")
    return streams


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
    for scenario, name in {
        "embeddings": "embeddings, 1,536 numbers", "uploads": "upload of 1 MB", "translated": "translated chat",
        "translated streams": "translated burst of 52 events",
    }.items():  # fmt: skip
        row(f"{name}: requests a second", scenario, "per_second")
        row(f"{name}: CPU per request", scenario, "cpu_us", unit="µs")

    nginx = results["scenarios"]["64 connections"]["nginx"]["cpu_us"]
    never_seen = results["never_seen_token_cpu_us"]
    added = results["scenarios"]["1 connection"]["broker"]["latency_us"]["p50"] - results["scenarios"]["1 connection"]["direct"]["latency_us"]["p50"]
    # In the short form it may have taken less than can be told.
    times = f"{never_seen / nginx:.2f}" if nginx else "-"
    print(f"\na token never seen before: CPU per request {never_seen:.0f} µs, {times} x nginx")
    print(f"added at one connection: p50 {added:.0f} µs, of which one fdatasync here takes {results['fdatasync_us']:.0f} µs")
    print(f"memory: {results['idle_memory_mib']:.1f} MiB idle, {results['loaded_memory_mib']:.1f} MiB after the load")
    for name, open_streams in results["open_streams"].items():
        before, during, each, count = (open_streams[part] for part in ("before_mib", "open_mib", "each_kib", "streams"))
        print(f"memory of {name} with {count} open streams: {during:.1f} MiB ({before:.1f} MiB before), {each:.1f} KiB each")
    print(f"start to first answer: {results['first_answer_ms']['median']:.0f} ms (median of {STARTS}, fastest {results['first_answer_ms']['least']:.0f})")
    print(f"binary: {results['binary_mb']:.1f} MB")
    print(f"written to {(FOLDER / 'results.json').relative_to(ROOT)}")


def first_answers(broker):
    """From the start of the process to its first answer, on data that is there."""
    took = [restart(broker) * 1000 for _ in range(STARTS)]
    return {"median": statistics.median(took), "least": min(took)}


def restart(broker):
    code = broker.process.stop()
    assert code == 0, code
    return broker.start()


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
        request(url, "POST", CHAT, {})
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if len(CORES) < 2 and not IS_SHORT:
        raise SystemExit("the bench needs two cores: one for the proxies, one for the load")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
