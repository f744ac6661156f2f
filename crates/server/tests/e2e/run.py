"""Runs the end-to-end tests: all of them, or those named (run.py sdks demonstration.OnSqlite).

The binary under test is target/debug/aipassport, or what AIPASSPORT_BINARY names.
"""

import pathlib
import signal
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# The last one searches what all others left behind.
FILES = ["sdks", "oauth_clients", "rest", "command_line", "webhooks", "demonstration", "crash", "browser", "pages", "canary"]


class Result(unittest.TestResult):
    """One line for each test, with its time."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self._file = None

    def startTest(self, test):
        super().startTest(test)
        if type(test).__module__ != self._file:
            self._file = type(test).__module__
            print(f"\n-- {self._file.removeprefix('test_').replace('_', ' ')}", flush=True)
        self._started = time.monotonic()

    def addSuccess(self, test):
        self.passed += 1
        self._say("ok    ", test)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._say("FAILED", test)
        print(self.failures[-1][1], flush=True)

    def addError(self, test, error):
        super().addError(test, error)
        self._say("FAILED", test)
        print(self.errors[-1][1], flush=True)

    def _say(self, how, test):
        # What fails before the first test of a file is no test, and has no time.
        is_test = hasattr(test, "_testMethodName")
        name = f"{type(test).__name__}: {test._testMethodName.removeprefix('test_').replace('_', ' ')}" if is_test else str(test)
        took = f"{time.monotonic() - self._started:6.1f} s" if is_test else ""
        print(f"{how} {name:90} {took}", flush=True)


def main():
    names = sys.argv[1:] or FILES
    unknown = [name for name in names if name.partition(".")[0] not in FILES]
    if unknown:
        raise SystemExit(f"there is no {unknown[0]}: {', '.join(FILES)}")
    # Being told to stop is an ordinary end, at which the harness ends its processes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = Result()
    unittest.defaultTestLoader.loadTestsFromNames([f"test_{name}" for name in names]).run(result)
    failed = len(result.failures) + len(result.errors)
    print(f"\n{result.passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
