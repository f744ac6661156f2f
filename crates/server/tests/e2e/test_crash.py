"""`kill -9` under load, again and again, on the same data; then the books must still be true.

50 kills, or as many as AIPASSPORT_KILLS says. The moment is random; what is under way at it differs:
calls not yet admitted, admitted and not sent, waiting for a head, in the middle of a stream, settling.
"""

import contextlib
import http.client
import itertools
import json
import os
import random
import threading
import time
import unittest
import urllib.parse

from harness import PROMPT, Broker, Sandbox, this_run, wait_until
from people import MODELS, App, User, access
from test_sdks import nanos

KILLS = int(os.environ.get("AIPASSPORT_KILLS", "50"))
THREADS = 12
LONGEST_LIFE_SECONDS = 0.5
BUDGET = "2.00"
PATHS = {"openai": "/openai/v1/chat/completions", "anthropic": "/anthropic/v1/messages"}
# What a call is like: at once, after a while, and streams that last longer than the broker lives.
KINDS = ["tokens=5", "tokens=5; delay=50ms", "tokens=40; pace=5ms", "tokens=200; pace=10ms; first=30ms"]


class Load:
    """Calls without a pause, by as many threads, whatever becomes of them."""

    def __init__(self, broker, grants):
        self._url = urllib.parse.urlsplit(broker.url)
        self._grants = grants
        self._numbers = itertools.count()
        self._ending = threading.Event()
        self.attempts = dict.fromkeys((grant.id for grant in grants), 0)
        self.answers = []
        self._threads = [threading.Thread(target=self._work, args=(seed,), daemon=True) for seed in range(THREADS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join(30)

    def _work(self, seed):
        chance = random.Random(seed)
        while not self._ending.is_set():
            try:
                self._call(chance)
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)

    def _call(self, chance):
        grant, provider, kind = chance.choice(self._grants), chance.choice(list(MODELS)), chance.choice(KINDS)
        number = next(self._numbers)
        messages = [{"role": "user", "content": f"[[sandbox: tag={grant.id}.{number}; {kind}]] {PROMPT}"}]
        body = {"model": MODELS[provider], "messages": messages, "max_tokens": 300, "stream": chance.random() < 0.7}
        connection = http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=30)
        with contextlib.closing(connection):
            connection.connect()
            self.attempts[grant.id] += 1
            headers = {"authorization": f"Bearer {grant.token}", "content-type": "application/json"}
            connection.request("POST", PATHS[provider], json.dumps(body), headers)
            answer = connection.getresponse()
            answer.read()
            self.answers.append((grant.id, number, answer.status, answer.headers.get("aipassport-request-id")))


class Crash:
    """Run on each database by the classes below."""

    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox(this_run())
        cls.broker = Broker.started(this_run(), cls.sandbox, name=f"crash-{cls.database}", database=cls.database)
        cls.user = User(cls.broker, "ana")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()
        cls.sandbox.stop()

    def test_threat_140_after_every_kill_the_books_are_true(self):
        browser, app = self.user.browser(), App(self.broker)
        limits = {"concurrency": 500, "rate": [{"requests": 100_000, "per": "PT1M"}], "requests": {"max": 100_000}}
        details = [access(provider, BUDGET, **limits) for provider in MODELS]
        # An access token lives ten minutes: longer than all this.
        grants = [app.connect(browser, details) for _ in range(3)]

        chance = random.Random()
        with Load(self.broker, grants) as load:
            for _ in range(self.kills):
                time.sleep(chance.uniform(0.02, LONGEST_LIFE_SECONDS))
                self.broker.kill()
                self.broker.start()
                self.books_are_true(grants, load)

        wait_until(lambda: self.sandbox.open_calls() == 0, 10, "no call is open any more")
        wait_until(lambda: self.held(grants) == 0, self.orphaned_seconds, "every hold is resolved")
        self.broker.doctor()
        self.books_are_true(grants, load)
        cut = [row for row in self.sandbox.bill() if row["ending"] == "client_gone"]
        self.assertGreater(len(cut), self.kills, "the kills met calls under way")
        self.whole_answers_cost_what_was_billed(load)

    def books_are_true(self, grants, load):
        """What was billed is on record, and nothing is on record that was not asked for."""
        rows = [row for row in self.sandbox.bill() if row["tag"]]
        for grant in grants:
            shown = grant.shown()
            for provider in MODELS:
                billed = [row for row in rows if row["provider"] == provider and row["tag"].startswith(grant.id)]
                limit = {limit["rule"]: limit for limit in shown["limits"] if limit["provider"] == provider}
                requests, budget = limit["requests"], limit["budget"]
                used, held = nanos(budget["used"]), nanos(budget["reserved"])
                self.assertGreaterEqual(requests["used"] + requests["reserved"], len(billed), "a call without a record")
                self.assertGreaterEqual(used + held, sum(row["cost_nanos"] for row in billed), "a call that was not charged")
                self.assertLessEqual(used + held, nanos(budget["limit"]))
            requests = [limit for limit in shown["limits"] if limit["rule"] == "requests"]
            self.assertLessEqual(sum(limit["used"] + limit["reserved"] for limit in requests), load.attempts[grant.id], "charged twice")
        tags = [row["tag"] for row in rows]
        self.assertEqual(len(tags), len(set(tags)), "the broker sent a call twice")

    def held(self, grants):
        limits = [limit for grant in grants for limit in grant.shown()["limits"] if limit["rule"] == "budget"]
        return sum(nanos(limit["reserved"]) for limit in limits)

    def whole_answers_cost_what_was_billed(self, load):
        """A call whose answer came whole costs what was billed: or, where the kill came before the
        settlement, what was held for it, and then it is labelled so."""
        billed = {row["tag"]: row["cost_nanos"] for row in self.sandbox.bill() if row["ending"] == "complete" and row["tag"]}
        whole = [(f"{grant}.{number}", request_id) for grant, number, status, request_id in load.answers if status == 200]
        self.assertGreater(len(whole), self.kills, "the load got through between the kills")
        exact = 0
        for tag, request_id in random.sample(whole, min(len(whole), 300)):
            call = self.user.send("GET", f"/api/calls/{request_id}").json()
            if call["label"] == "reported":
                self.assertEqual(nanos(call["cost"]), billed[tag], tag)
                exact += 1
            else:
                self.assertEqual(call["label"], "worst_case", call)
                self.assertGreaterEqual(nanos(call["cost"]), billed[tag], tag)
        self.assertGreater(exact, 0)


class OnSqlite(Crash, unittest.TestCase):
    database = "sqlite"
    kills = KILLS
    # The one broker of a file knows at once that every other hold is an orphan.
    orphaned_seconds = 10


class OnPostgres(Crash, unittest.TestCase):
    database = "postgres"
    kills = max(1, KILLS // 5)
    # On PostgreSQL others may live: an instance is dead when it has been silent for a minute.
    orphaned_seconds = 75
