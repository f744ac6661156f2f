"""OAuth clients that were not written for AIPassport: oauth4webapi (JavaScript) and Authlib (Python)."""

import json
import os
import subprocess
import unittest
import urllib.parse

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

import canary
from harness import PROMPT, Broker, Process, Sandbox, request, this_run
from people import MODELS, REDIRECT_URI, App, User, access, approve


class OAuthClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Authlib refuses plain HTTP, loopback or not, unless it is told otherwise.
        os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
        cls.sandbox = Sandbox(this_run())
        cls.broker = Broker.started(this_run(), cls.sandbox, name="oauth")
        cls.user = User(cls.broker, "ana")
        cls.app = App(cls.broker, is_confidential=True)
        cls.details = [access("openai", budget="0.50")]

    @classmethod
    def tearDownClass(cls):
        cls.broker.doctor()
        cls.broker.stop()
        cls.sandbox.stop()

    def call(self, token):
        body = {"model": MODELS["openai"], "messages": [{"role": "user", "content": PROMPT}]}
        return request(self.broker.url, "POST", "/openai/v1/chat/completions", body, {"authorization": f"Bearer {token}"}).status

    def test_oauth4webapi(self):
        folder = this_run().new_folder("oauth4webapi")
        here = os.path.dirname(os.path.abspath(__file__))
        client = Process(["node", "oauth_client.mjs"], folder / "log", stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=here)

        def tell(line):
            client.popen.stdin.write(line.encode() + b"\n")
            client.popen.stdin.flush()

        def hear(member):
            line = client.popen.stdout.readline()
            self.assertTrue(line, client.tail())
            self.assertIn(member, json.loads(line))
            return json.loads(line)

        tell(json.dumps({
            "issuer": self.broker.url, "client_id": self.app.client_id, "client_secret": self.app.secret,
            "redirect_uri": REDIRECT_URI, "details": self.details, "resource": self.broker.url,
        }))  # fmt: skip
        address = hear("authorize")["authorize"]
        tell(approve(self.user.browser(), address.removeprefix(self.broker.url)))

        tokens = self.noted(hear("tokens")["tokens"])
        self.assertEqual(tokens["authorization_details"][0]["models"], [MODELS["openai"]])
        self.assertTrue(hear("introspection")["introspection"]["active"])
        self.assertEqual(self.call(tokens["access_token"]), 200)
        refreshed = self.noted(hear("refreshed")["refreshed"])
        self.assertNotEqual(refreshed["refresh_token"], tokens["refresh_token"])
        tell("revoke")
        after = hear("after_revocation")
        self.assertEqual(after["after_revocation"], "invalid_grant")
        self.assertFalse(after["introspection"]["active"])
        self.assertEqual(self.call(refreshed["access_token"]), 401)
        self.assertEqual(hear("mix_up")["mix_up"], "noticed")

    def test_authlib(self):
        found = request(self.broker.url, "GET", "/.well-known/oauth-authorization-server").json()
        client = OAuth2Session(self.app.client_id, self.app.secret, redirect_uri=REDIRECT_URI, code_challenge_method="S256")
        verifier = canary.note("code verifier", "verifier-" + os.urandom(32).hex())
        address, _ = client.create_authorization_url(
            found["authorization_endpoint"], code_verifier=verifier, authorization_details=json.dumps(self.details)
        )

        back = approve(self.user.browser(), address.removeprefix(self.broker.url))
        self.assertEqual(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))["iss"], found["issuer"])
        tokens = self.noted(client.fetch_token(found["token_endpoint"], authorization_response=back, code_verifier=verifier))
        self.assertEqual(self.call(tokens["access_token"]), 200)
        self.assertTrue(client.introspect_token(found["introspection_endpoint"], token=tokens["access_token"]).json()["active"])

        refreshed = self.noted(client.refresh_token(found["token_endpoint"], refresh_token=tokens["refresh_token"]))
        self.assertEqual(self.call(refreshed["access_token"]), 200)

        self.assertEqual(client.revoke_token(found["revocation_endpoint"], token=refreshed["refresh_token"]).status_code, 200)
        with self.assertRaisesRegex(OAuthError, "invalid_grant"):
            client.refresh_token(found["token_endpoint"], refresh_token=refreshed["refresh_token"])
        self.assertEqual(self.call(refreshed["access_token"]), 401)

    def noted(self, tokens):
        canary.note("access token", tokens["access_token"])
        canary.note("refresh token", tokens["refresh_token"])
        return tokens
