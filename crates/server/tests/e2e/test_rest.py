"""AIPassport 0.2's REST surface, as an app written for 0.2 uses it (protocol.md, section 5)."""

import unittest

from harness import PROMPT, Broker, Sandbox, request, this_run
from people import MODELS, App, User
from test_sdks import nanos


class Rest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox(this_run())
        cls.broker = Broker.started(this_run(), cls.sandbox, name="rest")
        cls.user = User(cls.broker, "ana")
        cls.stranger = User(cls.broker, "ben")
        cls.app = App(cls.broker, "Old app")

    @classmethod
    def tearDownClass(cls):
        cls.broker.doctor()
        cls.broker.stop()
        cls.sandbox.stop()

    def ask(self, **limits):
        scope = {"provider": "openai", "models": [MODELS["openai"]], "capabilities": ["chat"], "maxBudgetCents": 100}
        return self.app.ask(scope | limits)

    def chat(self, grant, **more):
        body = {"model": MODELS["openai"], "messages": [{"role": "user", "content": PROMPT}]} | more
        return request(self.broker.url, "POST", "/proxy/chat", body, {"authorization": f"Bearer {grant.token}"})

    def decide(self, user, asked, decision, body=None):
        return user.send("POST", f"/grants/{asked['grant']['id']}/{decision}", body or {})

    def test_an_app_asks_and_its_user_decides_with_a_bearer(self):
        asked = self.ask()
        self.assertEqual(asked["grant"]["status"], "pending")
        self.assertTrue(asked["consentUrl"].startswith(self.broker.url))

        approved = self.decide(self.user, asked, "approve", {"expiresInSeconds": 600}).json()

        self.assertEqual(approved["status"], "approved")
        self.assertIn(asked["grant"]["id"], [grant["id"] for grant in self.user.send("GET", "/grants").json()])
        self.assertEqual(self.chat(self.app.redeem(asked)).status, 200)

    def test_nobody_decides_without_being_signed_in_and_no_stranger_sees_the_grant(self):
        asked = self.ask()
        place = f"/grants/{asked['grant']['id']}"

        for decision in ("approve", "deny", "revoke"):
            self.assertEqual(request(self.broker.url, "POST", f"{place}/{decision}", {}).status, 401)
        self.decide(self.user, asked, "approve")

        self.assertEqual(self.stranger.send("GET", place).status, 404)
        self.assertEqual(self.decide(self.stranger, asked, "revoke").status, 404)

    def test_a_token_needs_the_secret_that_only_the_app_got(self):
        asked = self.ask()
        self.decide(self.user, asked, "approve")

        answer = request(self.broker.url, "POST", "/tokens", {"grantId": asked["grant"]["id"]})

        self.assertEqual(answer.status, 400)
        self.assertIn("error", answer.json())

    def test_a_denied_request_gives_no_token(self):
        asked = self.ask()

        self.assertEqual(self.decide(self.user, asked, "deny").json()["status"], "denied")

        body = {"grantId": asked["grant"]["id"], "requestSecret": asked["requestSecret"]}
        self.assertEqual(request(self.broker.url, "POST", "/tokens", body).status, 400)

    def test_a_used_up_request_cap_answers_402_and_a_refused_call_consumes_nothing(self):
        grant = self.app.granted(self.user, requests=2)

        self.assertEqual(self.chat(grant, model="gpt-4o").status, 403)
        self.assertEqual([self.chat(grant).status for _ in range(3)], [200, 200, 402])
        self.assertEqual(grant.limit("requests")["used"], 2)

    def test_the_rate_is_limited(self):
        grant = self.app.granted(self.user, rate=2)

        answers = [self.chat(grant) for _ in range(3)]

        self.assertEqual([answer.status for answer in answers], [200, 200, 429])
        self.assertGreater(int(answers[2].headers["retry-after"]), 0)

    def test_the_provider_s_own_status_is_kept_and_a_failed_call_costs_nothing(self):
        grant = self.app.granted(self.user)
        messages = [{"role": "user", "content": "[[sandbox: status=500]]"}]

        self.assertEqual(self.chat(grant, messages=messages).status, 500)

        self.assertEqual(nanos(grant.limit("budget")["used"]), 0)

    def test_a_revoked_grant_s_token_is_dead(self):
        grant = self.app.granted(self.user)
        inspected = request(self.broker.url, "GET", f"/tokens/{grant.token}/inspect")
        self.assertTrue(inspected.json()["valid"], inspected.body)

        self.assertEqual(self.user.send("POST", f"/grants/{grant.id}/revoke").json()["status"], "revoked")

        self.assertEqual(self.chat(grant).status, 401)
        self.assertFalse(request(self.broker.url, "GET", f"/tokens/{grant.token}/inspect").json()["valid"])
