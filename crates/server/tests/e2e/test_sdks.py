"""The vendors' own SDKs, with nothing changed but the base URL and the key.

Every test here is run by four SDKs: OpenAI's and Anthropic's, for Python and for JavaScript. What each
must give is the same, so the table that is printed at the end has no gaps but where a vendor has none.
"""

import json
import subprocess
import time
import unittest

from harness import PROMPT, PYTHON, Broker, Process, Sandbox, this_run
from people import MODELS, App, User, access
from wire import Wire

LANGUAGES = {"python": [PYTHON, "sdks.py"], "javascript": ["node", "sdks.mjs"]}


class Program:
    """An app's program that uses an SDK: sdks.py or sdks.mjs, waiting for what to do."""

    def __init__(self, run, language):
        here = __file__.rpartition("/")[0]
        folder = run.new_folder(f"sdk-{language}")
        self._process = Process(LANGUAGES[language], folder / "log", stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=here)
        self._popen = self._process.popen
        self._said = open(folder / "said", "wb")
        self.kill = self._process.kill

    def begin(self, **task):
        self._popen.stdin.write(json.dumps(task).encode() + b"\n")
        self._popen.stdin.flush()

    def lines(self):
        """What it says, as it says it, until it is done or dead."""
        for line in self._popen.stdout:
            self._said.write(line)
            said = json.loads(line)
            yield said
            if "seconds" in said:
                return

    def do(self, **task):
        self.begin(**task)
        *_, answer = list(self.lines()) or [{"died": self._process.tail()}]
        return answer

    def end(self):
        self._popen.stdin.close()
        self._popen.wait()
        self._said.close()


class Table:
    """What was shown to work, by SDK."""

    rows = {}

    @classmethod
    def add(cls, scenario, column):
        cls.rows.setdefault(scenario, set()).add(column)

    @classmethod
    def print(cls):
        columns = [f"{language} {provider}" for language in LANGUAGES for provider in MODELS]
        print(f"\n{'':52}" + "".join(f"{column:22}" for column in columns))
        for scenario, done in cls.rows.items():
            print(f"{scenario:52}" + "".join(f"{'works' if column in done else '-':22}" for column in columns))


def setUpModule():
    global broker, sandbox, app, browser, user
    sandbox = Sandbox(this_run())
    broker = Broker.started(this_run(), sandbox)
    user = User(broker, "ana")
    app = App(broker)
    browser = user.browser()


def tearDownModule():
    broker.doctor()
    broker.stop()
    sandbox.stop()
    Table.print()


class Sdk:
    """What each SDK must do. The classes below say which it is."""

    @classmethod
    def setUpClass(cls):
        cls.program = Program(this_run(), cls.language)
        cls.grant = cls.granted(budget="1.00")

    @classmethod
    def tearDownClass(cls):
        cls.program.end()

    @classmethod
    def granted(cls, **limits):
        return app.connect(browser, [access(cls.provider, **limits)])

    def do(self, what, grant=None, prompt=PROMPT, base_url=None, **more):
        grant = grant or self.grant
        return self.program.do(
            do=what, sdk=self.provider, base_url=base_url or grant.base_url(self.provider), key=grant.token,
            model=more.pop("model", MODELS[self.provider]), prompt=prompt, **more,
        )  # fmt: skip

    def works(self, answer, *members):
        self.assertNotIn("error", answer)
        self.assertNotIn("died", answer)
        for member in members:
            self.assertTrue(answer[member], answer)
        name = self._testMethodName.removeprefix("test_").replace("_", " ")
        Table.add(name, f"{self.language} {self.provider}")

    def refused(self, answer, kind, status):
        self.assertIn("error", answer)
        self.assertIn(kind, answer["error"])
        self.assertEqual(answer["status"], status, answer)
        name = self._testMethodName.removeprefix("test_").replace("_", " ")
        Table.add(name, f"{self.language} {self.provider}")

    def test_a_plain_answer(self):
        answer = self.do("plain")

        self.works(answer, "text")
        self.assertEqual(answer["tokens"], [sandbox.bill()[-1]["usage"][count] for count in ("input_tokens", "output_tokens")])
        self.assertIn("aipassport-request-id", answer["headers"])

    def test_a_streamed_answer(self):
        before = self.do("plain")["text"]

        answer = self.do("stream")

        self.works(answer, "text")
        self.assertEqual(answer["text"], before)
        self.assertGreater(answer["events"], 5)

    def test_a_tool_call(self):
        answer = self.do("tools_plain", prompt="[[sandbox: tool=weather]]")

        self.works(answer, "arguments")
        self.assertEqual(answer["tool"], "weather")

    def test_a_streamed_tool_call(self):
        plain = self.do("tools_plain", prompt="[[sandbox: tool=weather]]")

        answer = self.do("tools_stream", prompt="[[sandbox: tool=weather]]")

        self.works(answer, "arguments")
        self.assertEqual((answer["tool"], answer["arguments"]), ("weather", plain["arguments"]))

    def test_a_stream_cut_into_single_bytes(self):
        answer = self.do("stream", prompt="[[sandbox: text=unicode; chunk=1]]")

        self.works(answer, "text")
        self.assertEqual(answer["text"], self.do("plain", prompt="[[sandbox: text=unicode; chunk=1]]")["text"])

    def test_the_models_of_the_grant(self):
        answer = self.do("models")

        self.works(answer, "models")
        self.assertEqual(answer["models"], [MODELS[self.provider]])

    def test_the_spend_is_what_the_provider_bills(self):
        grant = self.granted(budget="1.00")
        tag = f"spend-{grant.id}"

        self.do("plain", grant, prompt=f"[[sandbox: tag={tag}; cached=3]] {PROMPT}")
        answer = self.do("stream", grant, prompt=f"[[sandbox: tag={tag}; tokens=77]] {PROMPT}")

        self.works(answer)
        billed = sum(row["cost_nanos"] for row in sandbox.bill(tag))
        self.assertEqual(len(sandbox.bill(tag)), 2)
        self.assertEqual(nanos(grant.limit("budget", self.provider)["used"]), billed)

    def test_refused_when_the_grant_is_revoked(self):
        grant = self.granted(budget="1.00")
        self.works(self.do("plain", grant))

        grant.revoke()

        self.refused(self.do("plain", grant), "AuthenticationError", 401)

    def test_refused_when_the_key_is_no_token(self):
        answer = self.program.do(do="plain", sdk=self.provider, base_url=self.grant.base_url(self.provider), key="sk-made-up", model="any", prompt="")

        self.refused(answer, "AuthenticationError", 401)

    def test_refused_when_the_model_is_not_granted(self):
        other = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5"}[self.provider]
        seen = sandbox.calls_seen()

        answer = self.do("plain", model=other)

        self.refused(answer, "PermissionDeniedError", 403)
        self.assertEqual(sandbox.calls_seen(), seen)

    def test_refused_once_when_the_budget_is_used_up(self):
        grant = self.granted(budget="0.0002")
        seen = sandbox.calls_seen()
        with Wire(grant.base_url(self.provider)) as wire:
            answer = self.do("plain", grant, base_url=wire.url, most=4000)

        self.refused(answer, {"openai": "APIError", "anthropic": "PaymentRequiredError"}[self.provider], 402)
        self.assertIn("budget", answer["message"])
        self.assertEqual((wire.requests, sandbox.calls_seen() - seen), (1, 0), "requests to the broker, and to the provider")
        self.assertEqual(nanos(grant.limit("budget", self.provider)["used"]), 0)

    def test_refused_when_too_many_calls_are_made(self):
        grant = self.granted(rate=[{"requests": 2, "per": "PT3S"}])
        for _ in range(2):
            self.assertNotIn("error", self.do("plain", grant))

        answer = self.do("plain", grant, retries=0)
        self.refused(answer, "RateLimitError", 429)
        wait = float(answer["headers"]["retry-after"])
        self.assertTrue(0 < wait <= 4, wait)
        time.sleep(wait)
        self.assertNotIn("error", self.do("plain", grant, retries=0), "Retry-After was not true")

    def test_the_own_retry_succeeds_after_a_rate_limit(self):
        grant = self.granted(rate=[{"requests": 1, "per": "PT2S"}])
        self.do("plain", grant)

        with Wire(grant.base_url(self.provider)) as wire:
            answer = self.do("plain", grant, base_url=wire.url)

        self.works(answer, "text")
        self.assertEqual(wire.requests, 2)


class OpenAi(Sdk):
    provider = "openai"

    def test_the_responses_api(self):
        answer = self.do("responses_plain")

        self.works(answer, "text")
        self.assertEqual(answer["tokens"][1], sandbox.bill()[-1]["usage"]["output_tokens"])

    def test_the_responses_api_streamed(self):
        plain = self.do("responses_plain")

        answer = self.do("responses_stream")

        self.works(answer, "text")
        self.assertEqual((answer["text"], answer["tokens"]), (plain["text"], plain["tokens"]))


class Anthropic(Sdk):
    provider = "anthropic"

    def test_tokens_are_counted_at_no_cost(self):
        grant = self.granted(budget="1.00")

        answer = self.do("count_tokens", grant)

        self.works(answer)
        self.assertGreater(answer["tokens"][0], 0)
        self.assertEqual(nanos(grant.limit("budget", self.provider)["used"]), 0)


class PythonOpenAi(OpenAi, unittest.TestCase):
    language = "python"


class PythonAnthropic(Anthropic, unittest.TestCase):
    language = "python"


class JavaScriptOpenAi(OpenAi, unittest.TestCase):
    language = "javascript"


class JavaScriptAnthropic(Anthropic, unittest.TestCase):
    language = "javascript"


def nanos(amount):
    """Decimal dollars as whole nano-dollars, without a float on the way."""
    dollars, _, fraction = amount.partition(".")
    return int(dollars) * 10**9 + int(fraction.ljust(9, "0"))
