"""The whole story of `aipassport demo` in a real browser, with screenshots of every page.

The screenshots are kept in target/screenshots, at 390 and 1280 pixels, light and dark.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import harness
from harness import ROOT, Process, request, this_run

STOPPED_WITHIN_MS = 2000
STORY_SECONDS = 180


class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = this_run().new_folder("demo")
        cls.demo = Demo(folder)
        screenshots = ROOT / "target" / "screenshots"
        shutil.rmtree(screenshots, ignore_errors=True)
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        here = pathlib.Path(__file__).parent
        done = subprocess.run(
            ["node", here / "story.mjs", cls.demo.address, screenshots, chromium],
            capture_output=True, text=True, timeout=STORY_SECONDS, check=False,
        )  # fmt: skip
        (folder / "story").write_text(done.stdout + done.stderr)
        cls.said = [json.loads(line) for line in done.stdout.splitlines()]
        cls.failed = done.stderr if done.returncode else ""
        cls.screenshots = sorted(path.name for path in screenshots.glob("*.png"))

    @classmethod
    def tearDownClass(cls):
        cls.demo.stop()

    def seen(self, member):
        """What the story said of `member`."""
        found = [line for line in self.said if member in line]
        self.assertTrue(found, f"the story broke off before this: {self.failed or self.said}")
        return found[0]

    def test_the_consent_page_says_who_asks_for_what_and_how_much(self):
        text = self.seen("consent")["consent"]

        for words in ("Jotter", "OpenAI account", "Chat", "gpt-4o-mini", "never sees your key"):
            self.assertIn(words, text)

    def test_what_was_asked_for_can_be_lowered_and_the_app_gets_it(self):
        self.assertIn("$5 as asked", self.seen("consent")["consent"])
        self.assertTrue(self.seen("is_back")["is_back"])
        self.assertIn("of $0.50", self.seen("spent")["spent"])

    def test_an_answer_streams_through_the_broker(self):
        self.assertEqual(self.seen("streamed"), {"streamed": True, "refused": False})

    def test_the_dashboard_shows_what_it_cost_and_what_is_held(self):
        self.assertEqual(self.seen("spent")["calls"], 1)
        self.assertNotIn("held", self.seen("spent")["spent"])
        self.assertIn("held", self.seen("held")["held"])

    def test_stop_ends_the_open_stream_and_the_app_shows_why(self):
        self.assertLessEqual(self.seen("stopped_after_ms")["stopped_after_ms"], STOPPED_WITHIN_MS)
        self.assertRegex(self.seen("reason")["reason"].lower(), "stopp|revoked")

    def test_the_next_call_is_refused_with_a_reason(self):
        self.assertRegex(self.seen("next")["next"].lower(), "stopp|revoked|connect")

    def test_the_other_pages_say_what_happened(self):
        pages = {line["page"]: line["text"] for line in self.said if "page" in line}

        self.assertIn("Jotter", pages["activity"])
        self.assertIn("OpenAI", pages["keys"])

    def test_no_page_complains_or_is_wider_than_the_screen(self):
        self.assertEqual(self.seen("complaints")["complaints"], [])
        self.assertEqual([line["overflow"] for line in self.said if "overflow" in line], [])

    def test_there_are_screenshots_of_every_page_in_four_ways(self):
        self.seen("complaints")
        self.assertEqual(len(self.screenshots) % 4, 0)
        self.assertGreaterEqual(len(self.screenshots), 4 * 14)


class Demo:
    """`aipassport demo`, as a newcomer starts it, but on a free port and without opening a browser."""

    def __init__(self, folder):
        home, self._temporary = folder / "home", folder / "temporary"
        home.mkdir()
        self._temporary.mkdir()
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        environment = kept | {"HOME": str(home), "TMPDIR": str(self._temporary), "AIPASSPORT_LOG": "trace", "RUST_BACKTRACE": "0"}
        command = [this_run().binary, "demo", "--port", "0", "--no-browser"]
        self._process = Process(command, folder / "log", env=environment, cwd=home, stdout=subprocess.PIPE)
        for line in self._process.popen.stdout:
            if found := re.search(r"http://[a-z0-9.]+:\d+", line.decode()):
                break
        else:
            raise AssertionError(f"the demo prints no address: {self._process.tail()}")
        self.address = found.group()
        harness.wait_until(lambda: request(self.address, "GET", "/").status == 200, 10, "the sample app answers")

    def stop(self):
        code = self._process.stop()
        assert code == 0, f"the demo ended with {code}: {self._process.tail()}"
        left = list(self._temporary.iterdir())
        assert not left, f"the demo left {left} behind"
