"""Who takes part in the story: a user with a key, and an app that borrows it.

The app gets in by either door, as a stranger's program would: `App.ask` and `App.tokens` use the REST
surface of AIPassport 0.2, `App.connect` the browser and OAuth.
"""

import base64
import dataclasses
import hashlib
import json
import secrets
import urllib.parse

import canary
from browser import Browser
from harness import PASSWORD, PROVIDER_KEY, request

REDIRECT_URI = "http://127.0.0.1:7777/callback"
OPENAI_MODEL = "gpt-4o-mini"
ANTHROPIC_MODEL = "claude-haiku-4-5"
MODELS = {"openai": OPENAI_MODEL, "anthropic": ANTHROPIC_MODEL}
# Those of every SDK there is.
SDK_MODELS = MODELS | {
    "gemini": "gemini-2.5-flash", "mistral": "mistral-small-latest", "cohere": "command-a-03-2025", "ollama": "llama3.2:3b",
}  # fmt: skip
# Servers of one's own, and what their owner says a million tokens cost.
OWN_PRICES = {"ollama": ["--price-input", "0.10", "--price-output", "0.40"]}


class User:
    """An account with a key at each of its providers. The keys are canaries: see canary.py."""

    def __init__(self, broker, name, providers=MODELS):
        self.broker = broker
        self.name = name
        broker.command("user", "add", name, "--password-stdin", stdin=PASSWORD + "\n")
        for provider in providers:
            self.add_credential(provider)
        self.token = canary.note("user's bearer", broker.command("user", "token", name)["token"])

    def add_credential(self, provider, key=PROVIDER_KEY):
        place = ["--user", self.name, "--provider", provider, "--base-url", f"{self.broker.sandbox.url}/{provider}"]
        prices = OWN_PRICES.get(provider, [])
        return self.broker.command("credential", "add", *place, *prices, "--key-stdin", stdin=key + "\n")

    def send(self, method, path, body=None):
        """A request with the bearer that `user token` printed."""
        return request(self.broker.url, method, path, body, {"authorization": f"Bearer {self.token}"})

    def browser(self):
        """A browser in which this user has signed in."""
        browser = Browser(self.broker.url)
        browser.open("/login?return_to=/keys")
        browser.submit("/login", name=self.name, password=PASSWORD)
        return browser


@dataclasses.dataclass
class Grant:
    """A grant as the app that holds it sees it."""

    broker: object
    id: str
    token: str
    refresh_token: str | None = None

    def base_url(self, provider):
        """Where an SDK of that provider is pointed. OpenAI's wants the version in it, Anthropic's adds it."""
        return f"{self.broker.url}/{provider}" + ("/v1" if provider == "openai" else "")

    def left(self):
        """The grant's limits as the broker states them to the app."""
        answer = request(self.broker.url, "GET", "/passport/self", headers={"authorization": f"Bearer {self.token}"})
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json()

    def shown(self):
        """The grant as the operator sees it."""
        return self.broker.command("grant", "show", self.id)

    def limit(self, rule, provider="openai"):
        """One limit of the grant, as the operator sees it."""
        found = [limit for limit in self.shown()["limits"] if limit["rule"] == rule and limit["provider"] == provider]
        assert len(found) == 1, found
        return found[0]

    def revoke(self):
        self.broker.command("grant", "revoke", self.id)


class App:
    """An app that is registered with the broker."""

    def __init__(self, broker, name="Notes", is_confidential=False, redirect_uri=REDIRECT_URI):
        self.broker = broker
        self.name = name
        kind = ["--confidential"] if is_confidential else []
        place = ["--address", "https://notes.example", "--redirect-uri", redirect_uri]
        added = broker.command("client", "add", name, *place, *kind)
        self.client_id = added["client_id"]
        self.secret = canary.note("client secret", added.get("client_secret"))

    def granted(self, user, provider="openai", cents=100, requests=None, rate=None, models=None):
        """The quick way: asked for and redeemed over the 0.2 surface, approved with the user's bearer."""
        scope = {"provider": provider, "models": models or [SDK_MODELS[provider]], "capabilities": ["chat"], "maxBudgetCents": cents}
        if requests is not None:
            scope["maxRequests"] = requests
        if rate is not None:
            scope["rateLimit"] = rate
        asked = self.ask(scope)
        approved = user.send("POST", f"/grants/{asked['grant']['id']}/approve", {})
        assert approved.status == 200, (approved.status, approved.body)
        return self.redeem(asked)

    def ask(self, scope):
        asking = {"appName": self.name, "appUrl": "https://notes.example", "reason": "Summaries", "scope": scope}
        answer = request(self.broker.url, "POST", "/grant-requests", asking)
        assert answer.status == 201, (answer.status, answer.body)
        canary.note("request secret", answer.json()["requestSecret"])
        return answer.json()

    def redeem(self, asked):
        body = {"grantId": asked["grant"]["id"], "requestSecret": asked["requestSecret"]}
        answer = request(self.broker.url, "POST", "/tokens", body)
        assert answer.status == 201, (answer.status, answer.body)
        token = canary.note("access token", answer.json()["token"])
        return Grant(self.broker, asked["grant"]["id"], token)

    def connect(self, browser, details, **ticked):
        """The usual way: the user's browser is sent to the broker and comes back with a code."""
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": REDIRECT_URI, "state": state,
            "code_challenge": challenge, "code_challenge_method": "S256", "authorization_details": json.dumps(details),
        }  # fmt: skip
        back = approve(browser, "/oauth/authorize?" + urllib.parse.urlencode(query), **ticked)
        answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))
        assert answer["state"] == state and answer["iss"] == self.broker.url, back
        return self.redeem_code(answer["code"], verifier)

    def redeem_code(self, code, verifier):
        form = {
            "grant_type": "authorization_code", "code": canary.note("code", code), "redirect_uri": REDIRECT_URI,
            "client_id": self.client_id, "code_verifier": verifier,
        }  # fmt: skip
        answer = request(self.broker.url, "POST", "/oauth/token", form=form)
        assert answer.status == 200, (answer.status, answer.body)
        tokens = answer.json()
        token = canary.note("access token", tokens["access_token"])
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        return Grant(self.broker, claims["grant_id"], token, canary.note("refresh token", tokens.get("refresh_token")))


def approve(browser, path, **ticked):
    """Sends a signed-in user's browser to `path`, allows what is asked, and gives the address it is sent back to.

    `ticked` is what the page leaves off until somebody ticks it.
    """
    browser.open(path)
    back = browser.submit("/consent/", decision="allow", **ticked)
    assert back.startswith(REDIRECT_URI), back
    return back


def access(provider, budget="1.00", models=None, capabilities=("chat",), **limits):
    """Authorization details for one provider. Limits are for the grant's life, so that no window ends meanwhile."""
    return {
        "type": "ai_access",
        "provider": provider,
        "models": models or [SDK_MODELS[provider]],
        "capabilities": list(capabilities),
        "features": {"streaming": True, "tools": True},
        "limits": {"budget": {"amount": budget, "currency": "USD"}} | limits,
        "purpose": "Summarise your notes",
    }
