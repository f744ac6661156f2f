"""Webhooks, verified with somebody else's library; and a broker that is killed before a message arrived."""

import http.server
import json
import threading
import unittest

import canary
from harness import PROMPT, Broker, Sandbox, request, this_run, wait_until
from people import OPENAI_MODEL, App, User
from standardwebhooks import Webhook, WebhookVerificationError


class Receiver:
    """Takes what is posted to it, and answers as it is told to; at the end, with 204."""

    def __init__(self):
        receiver = self

        class Posted(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.messages.append((dict(self.headers), body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.messages = []
        self.answers = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Posted)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.address}/alerts"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def message(self, number):
        wait_until(lambda: len(self.messages) >= number, 20, f"message {number}")
        return self.messages[number - 1]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class OnSqlite(unittest.TestCase):
    database = "sqlite"

    def setUp(self):
        self.receiver = Receiver()
        self.sandbox = Sandbox(this_run())
        settings = f'[webhooks]\nallow = ["{self.receiver.address}"]\n'
        name = f"webhooks-{self.database}"
        self.broker = Broker.started(this_run(), self.sandbox, name=name, database=self.database, settings=settings)
        self.user = User(self.broker, "ana", ["openai"])
        added = self.broker.command("webhook", "add", "--user", "ana", "--url", self.receiver.url, "--description", "Pager")
        self.id, self.secret = added["id"], canary.note("webhook secret", added["secret"])

    def tearDown(self):
        self.broker.stop()
        self.sandbox.stop()
        self.receiver.stop()

    def use_half(self):
        """One of two requests, so that 50 % are used."""
        grant = App(self.broker).granted(self.user, requests=2)
        asked = {"model": OPENAI_MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": PROMPT}]}
        answer = request(
            self.broker.url, "POST", "/openai/v1/chat/completions", asked, {"authorization": f"Bearer {grant.token}"}
        )  # fmt: skip
        self.assertEqual(answer.status, 200)
        return grant

    def state(self):
        [webhook] = self.broker.command("webhook", "list", "--user", "ana")
        return webhook["last_delivery"]

    def test_an_alert_is_verified_by_a_foreign_library_and_nothing_else_is(self):
        grant = self.use_half()

        headers, body = self.receiver.message(1)

        message = Webhook(self.secret).verify(body, headers)
        self.assertEqual((message["type"], message["data"]["threshold"]), ("alert.requests", 50))
        self.assertEqual(message["data"]["grant_id"], grant.id)
        self.assertEqual((message["data"]["used"], message["data"]["limit"]), (1, 2))
        self.assertNotIn(PROMPT.encode(), body)
        with self.assertRaises(WebhookVerificationError):
            Webhook(self.secret).verify(body.replace(b"50", b"95"), headers)
        with self.assertRaises(WebhookVerificationError):
            Webhook(self.secret).verify(body, headers | {"webhook-id": "another"})
        with self.assertRaises(WebhookVerificationError):
            Webhook("whsec_" + "A" * 43 + "=").verify(body, headers)

    def test_a_broker_that_was_killed_between_attempts_sends_after_its_restart(self):
        self.receiver.answers = [500]
        self.use_half()
        first, body = self.receiver.message(1)
        wait_until(lambda: self.state()["failure"], 10, "the failure is written down")

        self.broker.kill()
        self.broker.start()

        again, same = self.receiver.message(2)
        self.assertEqual((again["webhook-id"], same), (first["webhook-id"], body))
        Webhook(self.secret).verify(same, again)
        wait_until(lambda: self.state()["delivered_at"], 10, "the delivery is written down")
        self.assertEqual((self.state()["attempts"], len(self.receiver.messages)), (2, 2))

    def test_an_operator_tests_a_webhook_gives_it_a_new_secret_and_removes_it(self):
        self.receiver.answers = [503]

        failed = self.broker.command("webhook", "test", self.id)
        arrived = self.broker.command("webhook", "test", self.id)
        replaced = self.broker.command("webhook", "replace-secret", self.id)
        new = canary.note("webhook secret", replaced["secret"])
        self.broker.command("webhook", "test", self.id)

        self.assertEqual(failed, {"delivered": False, "failure": "it answered 503"})
        self.assertEqual(arrived, {"delivered": True, "failure": None})
        self.assertEqual(json.loads(self.receiver.message(2)[1])["type"], "webhook.test")
        headers, body = self.receiver.message(3)
        for secret in (self.secret, new):
            Webhook(secret).verify(body, headers)
        self.broker.doctor()
        self.assertEqual(self.broker.command("webhook", "remove", self.id), {"removed": True})
        self.broker.command("webhook", "test", self.id, code=1)


class OnPostgres(OnSqlite):
    database = "postgres"
