"""A browser without scripts: cookies, redirects and forms, as much as the pages need."""

import html.parser
import urllib.parse

import canary
from harness import request

MOST_REDIRECTS = 10


class Browser:
    """Shows one page at a time. Redirects are followed as far as the broker's own pages go."""

    def __init__(self, base):
        self.base = base
        self.cookies = {}
        self.page = None
        self.address = None

    def open(self, path):
        return self._go("GET", path)

    def submit(self, action, **fields):
        """Sends the page's form whose action begins with `action`, with its own values and `fields`.

        Gives the address where the browser ends up: the last page's, or the first outside the broker.
        """
        forms = [form for form in Forms.of(self.page.text()) if form.action.startswith(action)]
        assert forms, f"{self.address} has no form for {action}: {self.page.text()[:2000]}"
        return self._go("POST", forms[0].action, forms[0].values | fields)

    def _go(self, method, path, form=None):
        for _ in range(MOST_REDIRECTS):
            headers = {"accept": "text/html", "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}
            if self.cookies:
                headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            if method == "POST":
                headers["origin"] = self.base
            self.page = request(self.base, method, path, headers=headers, form=form)
            self._keep_cookies()
            self.address = urllib.parse.urljoin(self.base + path, self.page.headers.get("location", path))
            if self.page.status not in (302, 303, 307):
                assert self.page.status < 400, f"{method} {path}: {self.page.status} {self.page.text()[:2000]}"
                return self.address
            if not self.address.startswith(self.base + "/"):
                return self.address
            method, path, form = "GET", self.address.removeprefix(self.base), None
        raise AssertionError(f"{path} redirects without end")

    def _keep_cookies(self):
        for cookie in self.page.headers.get_all("set-cookie", []):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name.strip()] = canary.note("cookie", value)
            if not value:
                del self.cookies[name.strip()]


class Forms(html.parser.HTMLParser):
    """The forms of a page, with the values that a browser would send if nothing were touched."""

    class Form:
        def __init__(self, action):
            self.action = action
            self.values = {}

    def __init__(self):
        super().__init__()
        self.forms = []
        self._form = self._select = None

    @classmethod
    def of(cls, page):
        parser = cls()
        parser.feed(page)
        return parser.forms

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        if tag == "form":
            self._form = self.Form(has.get("action", ""))
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "input":
            self._input(has)
        elif tag == "select":
            self._select = has.get("name")
        elif tag == "option" and self._select and ("selected" in has or self._select not in self._form.values):
            self._form.values[self._select] = [has.get("value", "")]

    def handle_endtag(self, tag):
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None

    def _input(self, has):
        name, kind = has.get("name"), has.get("type", "text")
        is_sent = "checked" in has if kind in ("checkbox", "radio") else kind != "submit"
        if name and is_sent and "disabled" not in has:
            self._form.values.setdefault(name, []).append(has.get("value", "on"))
