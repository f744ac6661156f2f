"""A wire between an SDK and the broker that counts the requests on it and passes every byte on."""

import re
import socket
import threading
import urllib.parse

REQUEST_LINE = re.compile(rb"(?:GET|POST) \S+ HTTP/1\.1\r\n")


class Wire:
    """Listens on loopback for as long as the `with` block lasts. `requests` is what was sent so far."""

    def __init__(self, url):
        target = urllib.parse.urlsplit(url)
        self._target = (target.hostname, target.port)
        self._path = target.path
        self.requests = 0

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._path}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            threading.Thread(target=self._pass_on, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(far, near, False), daemon=True).start()

    def _pass_on(self, source, target, is_counted):
        try:
            while data := source.recv(65536):
                if is_counted:
                    self.requests += len(REQUEST_LINE.findall(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()
