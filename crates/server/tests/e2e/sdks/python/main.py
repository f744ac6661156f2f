"""The vendors' SDKs for Python, unmodified, as a program that does what it is told.

Reads one JSON object a line from standard input and answers each with one line: what the SDK gave, or
the exception it raised. ../javascript is the same program for JavaScript; test_sdks.py tells both what
to do. How each SDK is used is in its own file.
"""

import asyncio
import contextlib
import json
import sys
import time

from anthropic_sdk import Anthropic
from cohere_sdk import Cohere
from gemini_sdk import Gemini
from mistral_sdk import Mistral
from ollama_sdk import Ollama
from openai_sdk import OpenAi

SDKS = {"openai": OpenAi, "anthropic": Anthropic, "gemini": Gemini, "mistral": Mistral, "cohere": Cohere, "ollama": Ollama}


async def streams(sdk):
    """As many streams at once as there are prompts; says when each began and ended, as it happens."""
    await asyncio.gather(*(follow(sdk, index) for index in range(len(sdk.task["prompts"]))))
    return {"done": True}


async def follow(sdk, index):
    events, report = 0, {"stream": index}
    try:
        stream, is_text = await sdk.open_stream(index)
        report["request_id"] = stream.response.headers.get("aipassport-request-id")
        async for event in stream:
            if is_text(event):
                events += 1
                if events == 1:
                    say(report | {"began": time.time()})
        how = "completed"
    except Exception as error:  # Whatever ends a stream is reported, not judged, here.
        how = type(error).__name__
        report["message"] = str(error)[:300]
    say(report | {"ended": time.time(), "how": how, "events": events})


def raised(error):
    """What the SDK raised: each keeps the status and the headers in a place of its own."""
    answer = getattr(error, "response", None)
    headers = getattr(error, "headers", None) or getattr(answer, "headers", None) or {}
    status = next((getattr(error, name) for name in ("status_code", "code") if isinstance(getattr(error, name, None), int)), None)
    classes = [kind.__name__ for kind in type(error).__mro__]
    body = getattr(error, "body", None)
    body = body if isinstance(body, (dict, list, str, type(None))) else str(body)
    headers = {name.lower(): value for name, value in dict(headers).items()}
    return {"error": classes, "status": status, "message": str(error)[:2000], "body": body, "headers": headers}


def say(line):
    print(json.dumps(line), flush=True)


async def perform(task):
    if task["do"] == "nothing":
        return say({"seconds": 0})
    sdk = SDKS[task["sdk"]](task)
    started = time.monotonic()
    try:
        async with sdk.client if hasattr(sdk.client, "__aenter__") else contextlib.nullcontext():
            answer = await (streams(sdk) if task["do"] == "streams" else getattr(sdk, task["do"])())
    except sdk.errors as error:
        answer = raised(error)
    say(answer | {"seconds": time.monotonic() - started})


for line in sys.stdin:
    asyncio.run(perform(json.loads(line)))
