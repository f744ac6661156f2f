"""The pages in a real browser: without scripts, by keyboard, on a small screen, and under attack."""

import base64
import hashlib
import json
import pathlib
import secrets
import shutil
import subprocess
import unittest
import urllib.parse

from harness import PASSWORD, Broker, Sandbox, this_run
from people import REDIRECT_URI, App, User, access

SECONDS = 180
IPV6_URI = "http://[::1]:7777/callback"


class Pages(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        run = this_run()
        cls.sandbox = Sandbox(run)
        cls.broker = Broker.started(run, cls.sandbox, name="pages")
        user = User(cls.broker, "ana@example.org")
        app = App(cls.broker)
        cls.grant = app.granted(user)
        given = {
            "broker": cls.broker.url, "name": user.name, "password": PASSWORD,
            "authorize": authorize_url(cls.broker, app), "grant": cls.grant.id,
            "authorizeV6": authorize_url(cls.broker, App(cls.broker, redirect_uri=IPV6_URI), IPV6_URI),
        }  # fmt: skip
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        script = pathlib.Path(__file__).parent / "pages.mjs"
        done = subprocess.run(
            ["node", script, json.dumps(given), chromium], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        (cls.broker.folder / "pages").write_text(done.stdout + done.stderr)
        cls.said = [json.loads(line) for line in done.stdout.splitlines()]
        cls.failed = done.stderr if done.returncode else ""

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()
        cls.sandbox.stop()

    def seen(self, member):
        """All that was said of `member`."""
        self.assertEqual(self.failed, "")
        return [line for line in self.said if member in line]

    def test_consent_works_without_scripts(self):
        self.assertEqual(self.seen("withoutScripts"), [{"withoutScripts": True}])
        self.assertIn("Notes", self.seen("allowedWithoutScripts")[0]["allowedWithoutScripts"])

    def test_an_app_that_listens_on_an_ipv6_loopback_address_hears_the_answer(self):
        self.assertEqual(self.seen("toIpv6"), [{"toIpv6": True}])

    def test_threat_66_allow_waits_for_the_eye_and_no_does_not(self):
        self.assertEqual(self.seen("allowWaits"), [{"allowWaits": [True, True], "denyWaits": False}])

    def test_the_keyboard_reaches_both_answers_and_is_always_seen(self):
        (stops,) = self.seen("answers")

        self.assertEqual(stops["first"], "Skip to the page")
        self.assertEqual(stops["answers"], ["Don’t allow", "Allow"])
        self.assertEqual(stops["ringless"], [])

    def test_every_page_fits_320_pixels_and_names_its_controls(self):
        self.assertTrue(self.seen("looked"))
        self.assertEqual(self.seen("tooWide") + self.seen("nameless"), [])

    def test_no_text_is_too_pale_to_read(self):
        self.assertEqual(self.seen("pale"), [])

    def test_threat_64_a_form_of_another_site_or_port_stops_nothing(self):
        statuses = {line["forged"]: line["status"] for line in self.seen("forged")}

        self.assertEqual(statuses, {"http://evil.test": 403, "http://127.0.0.1:7778": 403})
        self.assertEqual(self.grant.shown()["status"], "approved")

    def test_threat_66_no_page_can_be_framed(self):
        self.assertEqual([line["framed"] for line in self.seen("framed")], [[], []])

    def test_threat_67_a_page_runs_our_script_alone(self):
        self.assertEqual(self.seen("refused"), [{"refused": ["html", "script", "policy"], "ran": False}])


def authorize_url(broker, app, redirect_uri=REDIRECT_URI):
    """What the app sends a browser to. It is asked afresh each time the address is opened."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(secrets.token_bytes(32)).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code", "client_id": app.client_id, "redirect_uri": redirect_uri, "state": "state",
        "code_challenge": challenge, "code_challenge_method": "S256",
        "authorization_details": json.dumps([access("openai")]),
    }  # fmt: skip
    return f"{broker.url}/oauth/authorize?" + urllib.parse.urlencode(query)
