"""Finds secrets where none may be: in logs, databases, pages and answers, in whatever form.

Every secret of a run is noted here when it is made. The last test searches all files of the run for
them; so each secret has to be random, and long enough not to be found by chance.
"""

import base64
import json
import os
import subprocess
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
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            # The first and last characters depend on the secret's neighbours.
            found.add(encode(b"\0" * shift + raw)[4 if shift else 0 :].rstrip(b"=")[:-1])
    return found


def search(folder, secrets):
    """Every hit in every file below `folder`, as a line to read.

    `grep` looks for thousands of strings at once as fast as it reads; it gets them on its standard
    input, so that the search does not itself write them anywhere.
    """
    kinds = {form: kind for kind, those in secrets.items() for secret in those for form in forms(secret)}
    found = subprocess.run(
        ["grep", "--recursive", "--text", "--byte-offset", "--only-matching", "--fixed-strings", "--file=-", "."],
        input=b"\n".join(kinds), stdout=subprocess.PIPE, cwd=folder, env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, check=False,
    )  # fmt: skip
    # 1 is nothing found; more is a failure.
    assert found.returncode in (0, 1), found.returncode
    hits = [line.split(b":", 2) for line in found.stdout.splitlines()]
    return [f"a {kinds[match]} at byte {int(place)} of {path.decode()[2:]}" for path, place, match in hits]
