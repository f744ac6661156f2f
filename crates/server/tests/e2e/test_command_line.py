"""The command line: what it refuses, how it says so, and that it works beside a running broker."""

import json
import os
import re
import subprocess
import unittest

from harness import PROMPT, PROVIDER_KEY, ROOT, Broker, Sandbox, free_port, request, this_run
from people import App, User


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox(this_run())
        cls.broker = Broker.started(this_run(), cls.sandbox, name="commands")
        cls.user = User(cls.broker, "ana")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()
        cls.sandbox.stop()

    def run_binary(self, *arguments, stdin="", **environment):
        """Runs the binary on data of its own that is empty; gives the exit code and both outputs."""
        folder = this_run().new_folder("command")
        environment = {"PATH": os.environ["PATH"], "AIPASSPORT_DATA_DIR": str(folder), "RUST_BACKTRACE": "0"} | environment
        done = subprocess.run(
            [this_run().binary, *arguments], input=stdin, capture_output=True, text=True, timeout=30, env=environment, cwd=folder, check=False
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def refused(self, *arguments, says, **environment):
        code, out, err = self.run_binary(*arguments, **environment)
        self.assertEqual((code, out), (1, ""), err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertRegex(err, says)

    def settings(self, text):
        file = this_run().new_folder("settings") / "aipassport.toml"
        file.write_text(text)
        return str(file)

    def test_a_command_that_is_wrong_exits_2_and_one_that_fails_exits_1_with_one_line(self):
        self.assertEqual(self.run_binary("grant", "forget")[0], 2)
        self.refused("user", "token", "nobody", says="nobody")
        self.refused("--json", "grant", "show", "none", says=r'^\{"error":')

    def test_a_setting_that_is_unknown_or_wrong_refuses_to_start_and_names_its_line(self):
        unknown = self.settings('listen = "127.0.0.1:1"\n\nlisen = "127.0.0.1:2"\n')
        wrong = self.settings("[tokens]\naccess_seconds = true\n")

        self.refused("serve", "--config", unknown, says=r"toml:3: .*lisen")
        self.refused("serve", "--config", wrong, says="toml:2: ")

    def test_the_example_settings_load(self):
        code, _, err = self.run_binary("user", "add", "ana", "--config", str(ROOT / "aipassport.example.toml"))

        self.assertEqual((code, err), (0, ""))

    def test_plain_http_is_refused_where_others_could_listen(self):
        self.refused("serve", "--listen", f"0.0.0.0:{free_port()}", says="loopback")

    def test_threat_158_a_key_file_that_others_can_read_refuses_to_start(self):
        folder = this_run().new_folder("key")
        self.run_binary("user", "add", "ana", AIPASSPORT_DATA_DIR=str(folder))
        (folder / "key").chmod(0o644)

        self.refused("user", "add", "ben", says="key", AIPASSPORT_DATA_DIR=str(folder))

    def test_a_second_broker_on_the_same_file_refuses_to_start(self):
        data = str(self.broker.data)

        self.refused("serve", "--listen", f"127.0.0.1:{free_port()}", says="another broker", AIPASSPORT_DATA_DIR=data)

    def test_what_is_changed_beside_a_running_broker_is_in_force_at_once(self):
        grant = App(self.broker, "Sudden").granted(self.user, "anthropic")
        listed = self.broker.command("credential", "list", "--user", "ana")
        key = next(credential for credential in listed if credential["provider"] == "anthropic")
        body = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": PROMPT}]}

        def call():
            headers = {"x-api-key": grant.token, "anthropic-version": "2023-06-01"}
            return request(self.broker.url, "POST", "/anthropic/v1/messages", body, headers).status

        self.assertEqual(call(), 200)
        self.broker.command("credential", "remove", key["id"])
        self.assertEqual(call(), 403)
        self.user.add_credential("anthropic")
        self.assertEqual(call(), 200)

    def test_the_sandbox_keeps_the_last_requests_whole_when_told_to(self):
        sandbox = Sandbox(this_run(), keep_requests=1)
        for number in (1, 2):
            body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"request {number}"}]}
            request(sandbox.url, "POST", "/openai/v1/chat/completions", body, {"authorization": "Bearer any"})

        kept = request(sandbox.url, "GET", "/sandbox/requests").json()
        sandbox.stop()

        self.assertEqual([kept_request["path"] for kept_request in kept], ["/openai/v1/chat/completions"])
        self.assertIn("request 2", kept[0]["body"])

    def test_a_suspended_user_is_stopped_and_resumed_beside_a_running_broker(self):
        ben = User(self.broker, "ben")
        grant = App(self.broker, "Paused").granted(ben)
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": PROMPT}]}

        def call():
            headers = {"authorization": f"Bearer {grant.token}"}
            return request(self.broker.url, "POST", "/openai/v1/chat/completions", body, headers).status

        self.assertEqual(call(), 200)
        self.assertTrue(self.broker.command("user", "suspend", "ben")["is_suspended"])
        self.assertEqual(call(), 401)
        self.assertFalse(self.broker.command("user", "resume", "ben")["is_suspended"])
        self.assertEqual(call(), 200)

    def test_limits_above_grants_are_set_kept_and_removed_beside_a_running_broker(self):
        cleo = User(self.broker, "cleo")
        grant = App(self.broker, "Shared").granted(cleo)
        client_id = self.broker.command("grant", "show", grant.id)["client_id"]
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": PROMPT}]}

        def call():
            headers = {"authorization": f"Bearer {grant.token}"}
            return request(self.broker.url, "POST", "/openai/v1/chat/completions", body, headers).status

        self.assertEqual(call(), 200)
        for whose in (["--user", "cleo"], ["--user", "cleo", "--app", client_id]):
            self.broker.command("limit", "set", *whose, "--budget", "5.00/P1M", "--rate", "60/PT1M")
            shown = self.broker.command("limit", "set", *whose, "--requests", "1")
            self.assertEqual(shown["terms"]["budget"], {"amount": "5.00", "currency": "USD", "per": "P1M"})
            self.assertEqual(call(), 402)
            self.assertEqual(self.broker.command("limit", "remove", *whose)["limits"], [])
            self.assertEqual(call(), 200)
        self.refused("limit", "show", "--user", "nobody", says="nobody")
        self.assertEqual(self.run_binary("limit", "set", "--tenant")[0], 2)

    def test_a_key_that_its_provider_refuses_is_saved_only_if_one_insists(self):
        sandbox = Sandbox(this_run(), require_key=PROVIDER_KEY)
        settings = self.settings(f'[upstreams]\nallow = ["{sandbox.address}"]\n')
        folder = str(this_run().new_folder("checks"))
        here = ["--json", "--config", settings]

        def add(key, *more):
            place = ["--user", "ana", "--provider", "openai", "--base-url", f"{sandbox.url}/openai", "--key-stdin"]
            arguments = [*here, "credential", "add", *place, *more]
            return self.run_binary(*arguments, stdin=key + "\n", AIPASSPORT_DATA_DIR=folder)

        self.run_binary(*here, "user", "add", "ana", AIPASSPORT_DATA_DIR=folder)
        code, _, err = add("sk-wrong")
        self.assertEqual(code, 1)
        self.assertRegex(err, "OpenAI does not accept this key.*--save-anyway")
        kept = json.loads(add("sk-wrong", "--save-anyway")[1])
        self.assertEqual(kept["check_result"], "refused")
        self.assertEqual(json.loads(add(PROVIDER_KEY)[1])["check_result"], "works")

        sandbox.stop()
        again = self.run_binary(*here, "credential", "check", kept["id"], AIPASSPORT_DATA_DIR=folder)
        self.assertEqual(json.loads(again[1])["check_result"], "not_reached")

    def test_a_server_of_ones_own_is_added_without_a_key_and_priced(self):
        folder = str(this_run().new_folder("prices"))
        url = "http://127.0.0.1:9"

        def run(*arguments):
            return self.run_binary("--json", *arguments, AIPASSPORT_DATA_DIR=folder)

        def say(*terms, model=()):
            return run("price", "set", "--user", "ana", "--provider", "ollama", *model, *terms)

        run("user", "add", "ana")
        place = ["--user", "ana", "--provider", "ollama", "--base-url", url]
        added = json.loads(run("credential", "add", *place, "--no-key", "--free")[1])
        self.assertEqual((added["last_four"], added["check_result"]), ("", "not_reached"))
        own = ("--price-input", "0.10", "--price-output", "0.40", "--max-output-tokens", "2048")
        self.assertEqual(say(*own, model=("--model", "llama3.2:3b"))[0], 0)
        self.assertEqual(say("--price-input", "0.10")[0], 2)
        self.assertEqual(say()[0], 1)
        self.assertRegex(say("--discount", "10")[2], "no list of prices")
        public = ["--user", "ana", "--provider", "openai", "--free"]
        self.assertRegex(run("price", "set", *public)[2], "machine of your own")

        listed = json.loads(run("price", "list", "--user", "ana")[1])
        terms = {price["model"]: price["terms"] for price in listed}
        self.assertEqual(terms, {None: "free", "llama3.2:3b": {"per_million": {"input": "0.10", "output": "0.40"}}})
        removing = ["price", "remove", "--user", "ana", "--provider", "ollama"]
        self.assertEqual(json.loads(run(*removing)[1]), {"removed": True})
        self.assertEqual(run(*removing)[0], 1)

    def test_a_listed_credential_shows_its_last_four_and_no_more(self):
        listed = self.broker.command("credential", "list", "--user", "ana")

        self.assertEqual({len(credential["last_four"]) for credential in listed}, {4})
        self.assertNotIn("sealed", str(listed))

    def test_the_example_of_the_readme_runs(self):
        example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
        grant = App(self.broker, "Reader").granted(self.user)
        example = example.replace("http://127.0.0.1:8787", self.broker.url)
        said = []

        exec(example, {"access_token": grant.token, "print": lambda text, end: said.append(text)})  # noqa: S102

        self.assertGreater(len("".join(said)), 20)
