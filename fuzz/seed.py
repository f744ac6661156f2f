"""Fills corpus/ with the golden files of the providers, so that fuzzing begins with real requests and
answers. Run it after golden files were added: python3 fuzz/seed.py"""

import hashlib
import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "crates" / "providers" / "tests" / "golden"
ROUTES = re.findall(r'\("([a-z]+)", "([^"]+)"\)', (HERE / "targets" / "routes.rs").read_text())
KINDS = ["text/event-stream", "application/x-ndjson", "application/json", "audio/mpeg"]
TRANSLATED = ["anthropic", "gemini", "cohere", "mistral", "vllm"]
FACE = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/images/generations", "/v1/audio/speech"]
FORMS = ["text/event-stream", "application/x-ndjson", "application/json"]
BODY_OF = {"anthropic": 1, "mistral": 2, "cohere": 3}


def keep(target, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def stream_of(case):
    kind = case.get("stream_type", "text/event-stream").split(";")[0]
    events = case["stream"]
    if kind == "application/json":
        return kind, "[" + ",\r\n".join(events) + "\n]"
    end = "\n" if kind == "application/x-ndjson" else "\n\n"
    return kind, "".join(event + end for event in events)


def main():
    for file in sorted(GOLDEN.glob("*/*.json")):
        case = json.loads(file.read_text())
        provider = file.parent.name
        if "request" not in case or not isinstance(case["request"], dict):
            continue
        route = (provider, case.get("path", "").split("?")[0])
        if route not in ROUTES:
            continue
        byte = bytes([ROUTES.index(route)])
        keep("requests", byte + json.dumps(case["request"]).encode())
        if case.get("stream"):
            kind, text = stream_of(case)
            kind = KINDS.index(kind) if kind in KINDS else 0
            keep("streams", byte + bytes([kind, BODY_OF.get(provider, 0), 7]) + text.encode())
        if case.get("body"):
            keep("streams", byte + bytes([2, BODY_OF.get(provider, 0), 7]) + json.dumps(case["body"]).encode())
    for file in sorted((GOLDEN / "translate").glob("*/*.json")):
        case = json.loads(file.read_text())
        if case["path"] not in FACE or file.parent.name not in TRANSLATED:
            continue
        form, answer = 0, json.dumps(case.get("answer", ""))
        if case.get("stream"):
            kind, answer = stream_of(case)
            form = FORMS.index(kind)
        head = bytes([TRANSLATED.index(file.parent.name), FACE.index(case["path"]), form, 7])
        keep("translators", head + json.dumps(case["request"]).encode() + b"\xff" + answer.encode())
    for text in re.findall(r"```json\n(.*?)```", (HERE.parent / "docs" / "spec" / "authorization-details.md").read_text(), re.S):
        text = text.strip()
        keep("authorization_details", (text if text.startswith("[") else f"[{text}]").encode())


if __name__ == "__main__":
    main()
