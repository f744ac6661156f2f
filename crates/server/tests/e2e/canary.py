"""Finds secrets where none may be: in logs, databases, pages and answers, in whatever form.

Every secret of a run is noted here when it is made. The last test searches all files of the run for
them; so each secret has to be random, and long enough not to be found by chance.
"""

import base64
import json
import mmap
import re
import urllib.parse

from harness import PASSWORD, PROMPT, PROVIDER_KEY

# What stands in no file, and what no answer repeats.
_secrets = {"provider key": {PROVIDER_KEY}, "prompt": {PROMPT}, "password": {PASSWORD}}


def note(kind, secret):
    """Remembers a secret to be searched for, and gives it back."""
    if secret:
        _secrets.setdefault(kind, set()).add(secret)
    return secret


def noted():
    return {kind: set(secrets) for kind, secrets in _secrets.items()}


def forms(secret):
    """What `secret` looks like plain, halved, and in the encodings that programs use."""
    raw = secret.encode()
    middle = len(raw) // 2
    found = {raw, raw[:middle], raw[middle:], raw.hex().encode(), raw.hex().upper().encode()}
    found |= {urllib.parse.quote(secret).encode(), urllib.parse.quote_plus(secret).encode()}
    found |= {"".join(f"%{byte:02{case}}" for byte in raw).encode() for case in "xX"}
    found |= {json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode()}
    found.add("".join(f"\\u{ord(character):04x}" for character in secret).encode())
    found.add(secret.encode("utf-16-le"))
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            # The first and last characters depend on the secret's neighbours.
            found.add(encode(b"\0" * shift + raw)[4 if shift else 0 :].rstrip(b"=")[:-1])
    return found


class Search:
    """A search for many secrets at once."""

    def __init__(self, secrets):
        self._kinds = {form: kind for kind, those in secrets.items() for secret in those for form in forms(secret)}
        longest_first = sorted(self._kinds, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first)))

    def in_bytes(self, content):
        """The kinds of secrets in `content`, with where they are."""
        return [(self._kinds[hit.group()], hit.start()) for hit in self._pattern.finditer(content)]

    def in_folder(self, folder):
        """Every hit in every file below `folder`, as a line to read."""
        hits = []
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.stat().st_size > 0:
                with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    hits += [f"a {kind} at byte {place} of {path.relative_to(folder)}" for kind, place in self.in_bytes(content)]
        return hits
