"""Makes real requests and answers of the providers' golden files into inputs for fuzzing to begin with, in
the folder that it is given, and the words they are made of into the dictionary. Run by `scripts/fuzz keep`."""

import hashlib
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
GOLDEN = ROOT / "crates" / "providers" / "tests" / "golden"
BORDER = b"\xff"
LONGEST_WORD = 40


def listed(target, name, pattern=r'"([^"]+)"'):
    """The texts of a table in one of the targets."""
    source = (HERE / "targets" / f"{target}.rs").read_text()
    return re.findall(pattern, re.search(rf"const {name}: .*?= &?\[(.*?)\];", source, re.S).group(1))


ROUTES = listed("routes", "PATHS")
KINDS = listed("streams", "CONTENT_TYPES")
FACE_PROVIDERS = listed("translators", "PROVIDERS")
FACE_PATHS = listed("translators", "PATHS")
FORM_PATHS = listed("forms", "PATHS")
FORMS = ["text/event-stream", "application/x-ndjson", "application/json"]


class Seeds:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.words = set()

    def keep(self, target, head, *halves):
        folder = self.folder / target
        folder.mkdir(parents=True, exist_ok=True)
        data = bytes(head) + BORDER.join(half if isinstance(half, bytes) else half.encode() for half in halves)
        (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)

    def note(self, value):
        """Remembers the names and the short texts in a JSON value."""
        if isinstance(value, dict):
            for name, member in value.items():
                self.words.add(json.dumps(name) + ":")
                self.note(member)
        elif isinstance(value, list):
            for item in value:
                self.note(item)
        elif isinstance(value, str) and re.fullmatch(r"[a-z][a-zA-Z_.-]+", value):
            self.words.add(json.dumps(value))

    def write_dictionary(self):
        words = sorted(word for word in self.words if len(word) <= LONGEST_WORD and word.isascii())
        quoted = ("".join(c if c.isalnum() or c in " _:;-=." else f"\\x{ord(c):02x}" for c in word) for word in words)
        (HERE / "dictionary").write_text("".join(f'"{word}"\n' for word in quoted))


def stream_of(case):
    kind = case.get("stream_type", FORMS[0]).split(";")[0]
    events = case["stream"]
    if kind == "application/json":
        return kind, "[" + ",\r\n".join(events) + "\n]"
    end = "\n" if kind == "application/x-ndjson" else "\n\n"
    return kind, "".join(event + end for event in events)


def golden(folder):
    for file in sorted(folder.glob("*.json")):
        yield json.loads(file.read_text())


def note_case(seeds, case):
    for part in ("request", "body", "answer", "sent"):
        seeds.note(case.get(part))
    for event in case.get("stream") or []:
        for data in re.findall(r"^(?:data: )?(\{.*\})$", event, re.M):
            seeds.note(json.loads(data))


def calls(seeds):
    """Requests and answers on the providers' own paths."""
    for folder in sorted(GOLDEN.iterdir()):
        prefix = "/custom/lab" if folder.name == "custom" else f"/{folder.name}"
        for case in golden(folder):
            path = prefix + case["path"]
            if folder.name == "translate" or path not in ROUTES:
                continue
            route, request = ROUTES.index(path), json.dumps(case["request"])
            note_case(seeds, case)
            seeds.keep("requests", [route], request)
            if case.get("stream"):
                kind, text = stream_of(case)
                seeds.keep("streams", [route, KINDS.index(kind) if kind in KINDS else 0, 7], request, text)
            if case.get("body"):
                seeds.keep("streams", [route, KINDS.index("application/json"), 7], request, json.dumps(case["body"]))


def translations(seeds):
    for folder in sorted((GOLDEN / "translate").iterdir()):
        for case in golden(folder):
            if case["path"] not in FACE_PATHS or folder.name not in FACE_PROVIDERS:
                continue
            note_case(seeds, case)
            form, answer = FORMS[0], json.dumps(case.get("answer", ""))
            if case.get("stream"):
                form, answer = stream_of(case)
            head = [FACE_PROVIDERS.index(folder.name), FACE_PATHS.index(case["path"]), FORMS.index(form), 7]
            request = json.dumps(case["request"])
            seeds.keep("translators", head, request, answer)
            # What one provider's golden file asks, others can be asked too, also on /proxy/chat.
            for provider in range(len(FACE_PROVIDERS)):
                seeds.keep("translators", [provider, *head[1:]], request, answer)
                seeds.keep("translators", [provider, len(FACE_PATHS), *head[2:]], request)


def forms(seeds):
    def field(name, value, more="", headers=""):
        return f'--xx\r\nContent-Disposition: form-data; name="{name}"{more}{headers}\r\n\r\n{value}\r\n'

    def file(name, value, kind="audio/mpeg"):
        return field(name, value, f'; filename="{name}.bin"', f"\r\nContent-Type: {kind}")

    wave = "RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\x08\0data\x10\0\0\0" + "0" * 16
    sound = [field("model", "whisper-1"), field("language", "de"), file("file", wave)]
    image = [field("model", "gpt-image-1"), field("n", "2"), field("size", "1024x1024"), field("prompt", "a heron"), file("image[]", "PNG", "image/png")]
    shapes = [
        sound,
        sound[::-1],
        [field("model", "gpt-4o-transcribe"), field("stream", "true"), field("chunking_strategy", "auto"), file("file", "ID3")],
        image,
        [field("model", "dall-e-2", headers="\r\nContent-Length: 8"), file("image", "\r\n--x"), file("mask", ""), field("partial_images", "1")],
        [field("model", "a"), field("model[]", "b")],
    ]
    for parts in shapes:
        for path in range(len(FORM_PATHS)):
            body = ("".join(parts) + "--xx--\r\n").encode("latin-1")
            seeds.keep("forms", [path, 7], "multipart/form-data; boundary=xx", body)
    seeds.keep("forms", [0, 1], 'multipart/form-data; boundary="x=:y"', b"--x=:y--")
    words = ["model", "n", "size", "quality", "stream", "partial_images", "output_format", "image[]", "file", "chunking_strategy"]
    seeds.words.update(f'name="{word}"' for word in words)
    seeds.words.update(["Content-Disposition: form-data; ", "Content-Type: ", "Content-Length: ", "filename*=", "\r\n--xx\r\n", "\n--xx\n", "\r\n\r\n", "--xx--"])


def details(seeds):
    text = (ROOT / "docs" / "spec" / "authorization-details.md").read_text()
    (full,) = re.findall(r"```json\n(\{.*?)```", text, re.S)
    full = json.loads(full)
    custom = full | {"provider": "custom/lab", "models": ["llama-3", {"prefix": "ll"}], "allow_future": True}
    windows = {"requests": [{"max": 5}, {"max": 2, "per": "P1D"}], "budget": [{"amount": "0.000000001", "currency": "USD"}],
               "rate": [{"requests": 1, "per": "PT30S"}, {"requests": 9, "per": "PT24H"}]}  # fmt: skip
    validity = {"not_before": "2026-01-01T00:00:00+01:00", "expires_at": "2027-01-01T00:00:00Z", "seconds": 60}
    shapes = [
        [full],
        [full, custom],
        [{"type": "ai_access", "provider": "gemini"}],
        [{"type": "ai_access", "provider": "cohere", "limits": windows, "validity": validity}],
        [{"type": "ai_access", "provider": "vllm", "delegation": {"allowed": True, "max_depth": 2}, "sender_constraint": "none"}],
        *([{"type": "ai_access", "provider": "openai", name: value}] for name, value in full.items() if name not in ("type", "provider")),
    ]
    for shape in shapes:
        seeds.note(shape)
        seeds.keep("authorization_details", [], json.dumps(shape))


if __name__ == "__main__":
    seeds = Seeds(sys.argv[1])
    for fill in (calls, translations, forms, details):
        fill(seeds)
    seeds.write_dictionary()
