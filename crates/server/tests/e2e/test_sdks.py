"""The vendors' own SDKs, with nothing changed but the base URL and the key.

Every test of `Sdk` is run by twelve SDKs: those of OpenAI, Anthropic, Google, Mistral, Cohere and Ollama,
for Python and for JavaScript; each vendor's own kinds of calls follow in its class. What each must give
is the same. The table that is printed at the end has no gap without a reason: see `WHY_NOT`.
"""

import json
import subprocess
import time
import unittest

from harness import PROMPT, PYTHON, Broker, Process, Sandbox, this_run
from people import SDK_MODELS, App, User, access
from wire import Wire

LANGUAGES = {"python": [PYTHON, "sdks/python/main.py"], "javascript": ["node", "sdks/javascript/main.mjs"]}


class Program:
    """An app's program that uses the SDKs of one language, waiting for what to do."""

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


# What a vendor's SDK has no method for, or does otherwise than the others. Every other cell works.
WHY_NOT = {
    "token counts": "only Anthropic and Google count for nothing",
    "the responses api": "OpenAI's own",
    "embeddings": "Anthropic has none",
    "images": "only OpenAI and Google make images, Google's with OpenAI's SDK, too",
    "sound": "only OpenAI's SDK has it on these paths; Google speaks to it on v1",
    "code": "Mistral's fill-in-the-middle",
    "pages read": "Mistral's OCR",
    "ranking": "Cohere's",
    "the own retry": "the SDK does not try again by itself",
}


class Table:
    """What was shown to work, by SDK."""

    rows = {}

    @classmethod
    def add(cls, scenario, column):
        cls.rows.setdefault(scenario, set()).add(column)

    @classmethod
    def print(cls):
        columns = [f"{language} {provider}" for provider in SDK_MODELS for language in LANGUAGES]
        print(f"\n{'':52}" + "".join(f"{column.replace('javascript', 'js'):18}" for column in columns))
        for scenario, done in cls.rows.items():
            print(f"{scenario:52}" + "".join(f"{'works' if column in done else '-':18}" for column in columns))
        print("\n" + "\n".join(f"-  {what}: {why}" for what, why in WHY_NOT.items()))


def setUpModule():
    global broker, sandbox, app, browser, user
    sandbox = Sandbox(this_run())
    broker = Broker.started(this_run(), sandbox)
    user = User(broker, "ana", SDK_MODELS)
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

    # What the SDK raises, by status: its name in either language.
    raises = {}
    # A model that is priced and not granted.
    other = None
    tells_headers = True
    tells_wait = True
    retries_by_itself = True
    # Where a provider has a price of its own for what it reads from a cache.
    cached = "; cached=3"

    @classmethod
    def granted(cls, **limits):
        return app.connect(browser, [access(cls.provider, **limits)])

    def do(self, what, grant=None, prompt=PROMPT, base_url=None, **more):
        grant = grant or self.grant
        return self.program.do(
            do=what, sdk=self.provider, base_url=base_url or grant.base_url(self.provider), key=grant.token,
            model=more.pop("model", SDK_MODELS[self.provider]), prompt=prompt, **more,
        )  # fmt: skip

    def works(self, answer, *members):
        self.assertNotIn("error", answer)
        self.assertNotIn("died", answer)
        for member in members:
            self.assertTrue(answer[member], answer)
        name = self._testMethodName.removeprefix("test_").replace("_", " ")
        Table.add(name, f"{self.language} {self.provider}")

    def refused(self, answer, status):
        self.assertIn("error", answer)
        self.assertTrue(set(self.raises[status]) & set(answer["error"]), answer)
        self.assertEqual(answer["status"], status, answer)
        name = self._testMethodName.removeprefix("test_").replace("_", " ")
        Table.add(name, f"{self.language} {self.provider}")

    def test_a_plain_answer(self):
        answer = self.do("plain")

        self.works(answer, "text")
        usage = sandbox.bill()[-1]["usage"]
        self.assertEqual(answer["tokens"], [usage["input_tokens"], usage["output_tokens"]])
        if self.tells_headers:
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
        self.assertEqual(answer["models"], [SDK_MODELS[self.provider]])

    def test_the_spend_is_what_the_provider_bills(self):
        grant = self.granted(budget="1.00")
        tag = f"spend-{grant.id}"

        self.do("plain", grant, prompt=f"[[sandbox: tag={tag}{self.cached}]] {PROMPT}")
        answer = self.do("stream", grant, prompt=f"[[sandbox: tag={tag}; tokens=77]] {PROMPT}")

        self.works(answer)
        billed = sum(row["cost_nanos"] for row in sandbox.bill(tag))
        self.assertEqual(len(sandbox.bill(tag)), 2)
        self.assertEqual(nanos(grant.limit("budget", self.provider)["used"]), billed)

    def test_refused_when_the_grant_is_revoked(self):
        grant = self.granted(budget="1.00")
        self.works(self.do("plain", grant))

        grant.revoke()

        self.refused(self.do("plain", grant), 401)

    def test_refused_when_the_key_is_no_token(self):
        answer = self.program.do(do="plain", sdk=self.provider, base_url=self.grant.base_url(self.provider), key="sk-made-up", model="any", prompt="")

        self.refused(answer, 401)

    def test_refused_when_the_model_is_not_granted(self):
        seen = sandbox.calls_seen()

        answer = self.do("plain", model=self.other)

        self.refused(answer, 403)
        self.assertEqual(sandbox.calls_seen(), seen)

    def test_refused_once_when_the_budget_is_used_up(self):
        grant = self.granted(budget="0.0002")
        seen = sandbox.calls_seen()
        with Wire(grant.base_url(self.provider)) as wire:
            answer = self.do("plain", grant, base_url=wire.url, most=4000)

        self.refused(answer, 402)
        self.assertIn("budget", answer["message"])
        self.assertEqual((wire.requests, sandbox.calls_seen() - seen), (1, 0), "requests to the broker, and to the provider")
        self.assertEqual(nanos(grant.limit("budget", self.provider)["used"]), 0)

    def test_refused_when_too_many_calls_are_made(self):
        grant = self.granted(rate=[{"requests": 2, "per": "PT3S"}])
        for _ in range(2):
            self.assertNotIn("error", self.do("plain", grant))

        answer = self.do("plain", grant, retries=0)
        self.refused(answer, 429)
        wait = float(answer["headers"]["retry-after"]) if self.tells_wait else 4
        self.assertTrue(0 < wait <= 4, wait)
        time.sleep(wait)
        self.assertNotIn("error", self.do("plain", grant, retries=0), "Retry-After was not true")

    def test_the_own_retry_succeeds_after_a_rate_limit(self):
        if not self.retries_by_itself:
            return
        grant = self.granted(rate=[{"requests": 1, "per": "PT2S"}])
        self.do("plain", grant)

        with Wire(grant.base_url(self.provider)) as wire:
            answer = self.do("plain", grant, base_url=wire.url, retrying=True)

        self.works(answer, "text")
        self.assertEqual(wire.requests, 2)


class Media:
    """What else than chat a vendor's SDK can do, each with a grant of its own and a bill to compare."""

    def do_with(self, what, model, capability, *members, **more):
        ticked = {f"{self.provider}.capability": capability}
        grant = app.connect(browser, [access(self.provider, models=[model], capabilities=[capability])], **ticked)
        billed = sum(row["cost_nanos"] for row in sandbox.bill())

        answer = self.do(what, grant, model=model, **more)

        self.works(answer, *members)
        billed = sum(row["cost_nanos"] for row in sandbox.bill()) - billed
        self.assertGreaterEqual(nanos(grant.limit("budget", self.provider)["used"]), billed)
        self.assertGreater(billed, 0)
        return answer


class OpenAi(Media, Sdk):
    provider = "openai"
    raises = {401: ["AuthenticationError"], 402: ["APIError"], 403: ["PermissionDeniedError"], 429: ["RateLimitError"]}
    other = "gpt-4o"

    def test_the_responses_api(self):
        answer = self.do("responses_plain")

        self.works(answer, "text")
        self.assertEqual(answer["tokens"][1], sandbox.bill()[-1]["usage"]["output_tokens"])

    def test_the_responses_api_streamed(self):
        plain = self.do("responses_plain")

        answer = self.do("responses_stream")

        self.works(answer, "text")
        self.assertEqual((answer["text"], answer["tokens"]), (plain["text"], plain["tokens"]))


    def test_embeddings(self):
        answer = self.do_with("embeddings", "text-embedding-3-small", "embeddings", "vectors", "size")

        self.assertEqual(answer["vectors"], 2)

    def test_an_image_is_made(self):
        self.do_with("images", "gpt-image-2", "images", "images", "bytes")

    def test_an_image_is_changed(self):
        self.do_with("image_edit", "gpt-image-2", "images", "images", "bytes")

    def test_speech(self):
        self.do_with("speech", "tts-1", "audio", "bytes")

    def test_a_transcription(self):
        self.do_with("transcription", "whisper-1", "audio", "text")

    def test_a_translation(self):
        self.do_with("translation", "whisper-1", "audio", "text")


class Anthropic(Sdk):
    provider = "anthropic"
    raises = {401: ["AuthenticationError"], 402: ["PaymentRequiredError"], 403: ["PermissionDeniedError"], 429: ["RateLimitError"]}
    other = "claude-sonnet-4-5"

    def test_tokens_are_counted_at_no_cost(self):
        grant = self.granted(budget="1.00")

        answer = self.do("count_tokens", grant)

        self.works(answer)
        self.assertGreater(answer["tokens"][0], 0)
        self.assertEqual(nanos(grant.limit("budget", self.provider)["used"]), 0)


class Gemini(Media, Sdk):
    provider = "gemini"
    raises = dict.fromkeys([401, 402, 403, 429], ["APIError", "ApiError"])
    other = "gemini-2.5-pro"
    retries_by_itself = False

    def test_tokens_are_counted_at_no_cost(self):
        grant = self.granted(budget="1.00")

        answer = self.do("count_tokens", grant)

        self.works(answer)
        self.assertGreater(answer["tokens"][0], 0)
        self.assertEqual(nanos(grant.limit("budget", self.provider)["used"]), 0)

    def test_embeddings(self):
        self.do_with("embeddings", "gemini-embedding-001", "embeddings", "vectors", "size")

    def test_an_image_is_made(self):
        self.do_with("images", "gemini-2.5-flash-image", "images", "images", "bytes")


class Mistral(Media, Sdk):
    provider = "mistral"
    raises = dict.fromkeys([401, 402, 403, 429], ["MistralError"])
    other = "mistral-large-latest"
    tells_headers = tells_wait = False

    def test_embeddings(self):
        self.do_with("embeddings", "mistral-embed", "embeddings", "vectors", "size")

    def test_code_is_filled_in(self):
        self.do_with("fim", "codestral-latest", "code", "text")

    def test_a_page_is_read(self):
        self.do_with("ocr", "mistral-ocr-latest", "chat", "pages")


class Cohere(Media, Sdk):
    provider = "cohere"
    cached = ""
    raises = {401: ["UnauthorizedError"], 402: ["ApiError", "CohereError"], 403: ["ForbiddenError"], 429: ["TooManyRequestsError"]}
    other = "command-r-08-2024"
    tells_headers = tells_wait = False

    def test_embeddings(self):
        self.do_with("embeddings", "embed-v4.0", "embeddings", "vectors", "size")

    def test_ranking(self):
        self.do_with("rerank", "rerank-v3.5", "embeddings", "results")


class Ollama(Media, Sdk):
    provider = "ollama"
    cached = ""
    raises = dict.fromkeys([401, 402, 403, 429], ["ResponseError"])
    other = "nomic-embed-text"
    tells_headers = tells_wait = False
    retries_by_itself = False

    def test_embeddings(self):
        self.do_with("embeddings", "nomic-embed-text", "embeddings", "vectors", "size")

    def test_a_completion(self):
        answer = self.do("generate")

        self.works(answer, "text")


class OneFace(unittest.TestCase):
    """OpenAI's SDK over /v1: what it asks for in OpenAI's words, of every provider that has it."""

    chats = ["anthropic", "gemini", "mistral", "cohere", "ollama"]

    def do(self, provider, what, capability="chat", **more):
        model = more.pop("model", SDK_MODELS[provider])
        ticked = {} if capability == "chat" else {f"{provider}.capability": capability}
        grant = app.connect(browser, [access(provider, models=[model], capabilities=[capability])], **ticked)
        billed = sum(row["cost_nanos"] for row in sandbox.bill())

        answers = {}
        for language in LANGUAGES:
            program = Program(this_run(), language)
            named = f"{provider}/{model}"
            answers[language] = program.do(do=what, sdk="openai", base_url=f"{broker.url}/v1", key=grant.token, model=named, prompt=PROMPT, **more)
            program.end()
            self.assertNotIn("error", answers[language])
            self.assertNotIn("died", answers[language])

        billed = sum(row["cost_nanos"] for row in sandbox.bill()) - billed
        self.assertEqual(nanos(grant.limit("budget", provider)["used"]), billed)
        name = "openai's sdk on v1: " + self._testMethodName.removeprefix("test_").replace("_", " ")
        for language in LANGUAGES:
            Table.add(name, f"{language} {provider}")
        return answers.values()

    def test_a_response(self):
        for provider in self.chats:
            for answer in self.do(provider, "responses_plain"):
                self.assertTrue(answer["text"] and all(answer["tokens"]), answer)

    def test_a_streamed_response(self):
        for provider in self.chats:
            for answer in self.do(provider, "responses_stream"):
                self.assertTrue(answer["text"] and all(answer["tokens"]), answer)

    def test_an_image(self):
        for answer in self.do("gemini", "images", "images", model="gemini-2.5-flash-image"):
            self.assertTrue(answer["images"] and answer["bytes"], answer)

    def test_speech(self):
        for answer in self.do("gemini", "speech", "audio", model="gemini-3.8-flash-tts", voice="Kore", format="wav"):
            self.assertGreater(answer["bytes"], 44)


class PythonOpenAi(OpenAi, unittest.TestCase):
    language = "python"


class PythonAnthropic(Anthropic, unittest.TestCase):
    language = "python"


class PythonGemini(Gemini, unittest.TestCase):
    language = "python"


class PythonMistral(Mistral, unittest.TestCase):
    language = "python"


class PythonCohere(Cohere, unittest.TestCase):
    language = "python"


class PythonOllama(Ollama, unittest.TestCase):
    language = "python"


class JavaScriptOpenAi(OpenAi, unittest.TestCase):
    language = "javascript"


class JavaScriptAnthropic(Anthropic, unittest.TestCase):
    language = "javascript"


class JavaScriptGemini(Gemini, unittest.TestCase):
    language = "javascript"
    # Its errors have no headers.
    tells_wait = False


class JavaScriptMistral(Mistral, unittest.TestCase):
    language = "javascript"


class JavaScriptCohere(Cohere, unittest.TestCase):
    language = "javascript"


class JavaScriptOllama(Ollama, unittest.TestCase):
    language = "javascript"


def nanos(amount):
    """Decimal dollars as whole nano-dollars, without a float on the way."""
    dollars, _, fraction = amount.partition(".")
    return int(dollars) * 10**9 + int(fraction.ljust(9, "0"))
