"""The OpenAI and Anthropic SDKs for Python, unmodified, as a program that does what it is told.

Reads one JSON object a line from standard input and answers each with one line: what the SDK gave, or
the exception it raised. sdks.mjs is the same program for JavaScript; test_sdks.py tells both what to do.
"""

import asyncio
import json
import sys
import time

import anthropic
import openai

TOOL = {"name": "weather", "description": "The weather in a city", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


class OpenAi:
    def __init__(self, task):
        options = {"max_retries": task["retries"]} if "retries" in task else {}
        self.client = openai.AsyncOpenAI(base_url=task["base_url"], api_key=task["key"], **options)
        self.task = task
        messages = [{"role": "user", "content": task.get("prompt", "")}]
        self.chat = {"model": task.get("model"), "messages": messages, "max_tokens": task.get("most", 200)}
        self.tools = [{"type": "function", "function": {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}}]

    async def plain(self):
        raw = await self.client.chat.completions.with_raw_response.create(**self.chat)
        answer = raw.parse()
        return {"text": answer.choices[0].message.content, "tokens": [answer.usage.prompt_tokens, answer.usage.completion_tokens], "headers": dict(raw.headers)}

    async def stream(self):
        stream = await self.client.chat.completions.create(**self.chat, stream=True, stream_options={"include_usage": True})
        parts, usage = [], None
        async for chunk in stream:
            parts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
            usage = chunk.usage or usage
        return {"text": "".join(parts), "events": len(parts), "tokens": [usage.prompt_tokens, usage.completion_tokens]}

    async def tools_plain(self):
        answer = await self.client.chat.completions.create(**self.chat, tools=self.tools)
        call = answer.choices[0].message.tool_calls[0]
        return {"tool": call.function.name, "arguments": json.loads(call.function.arguments)}

    async def tools_stream(self):
        name, arguments = "", ""
        async for chunk in await self.client.chat.completions.create(**self.chat, tools=self.tools, stream=True):
            for call in [call for choice in chunk.choices for call in choice.delta.tool_calls or []]:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
        return {"tool": name, "arguments": json.loads(arguments)}

    async def responses_plain(self):
        answer = await self.client.responses.create(model=self.task["model"], input=self.task["prompt"], max_output_tokens=200, store=False)
        return {"text": answer.output_text, "tokens": [answer.usage.input_tokens, answer.usage.output_tokens]}

    async def responses_stream(self):
        asked = {"model": self.task["model"], "input": self.task["prompt"], "max_output_tokens": 200, "store": False}
        parts, usage = [], None
        async for event in await self.client.responses.create(**asked, stream=True):
            if event.type == "response.output_text.delta":
                parts.append(event.delta)
            elif event.type == "response.completed":
                usage = event.response.usage
        return {"text": "".join(parts), "events": len(parts), "tokens": [usage.input_tokens, usage.output_tokens]}

    async def models(self):
        return {"models": [model.id async for model in self.client.models.list()]}

    async def open_stream(self, index):
        messages = [{"role": "user", "content": self.task["prompts"][index]}]
        stream = await self.client.chat.completions.create(**self.chat | {"messages": messages}, stream=True)
        return stream, lambda chunk: any(choice.delta.content for choice in chunk.choices)


class Anthropic:
    def __init__(self, task):
        options = {"max_retries": task["retries"]} if "retries" in task else {}
        self.client = anthropic.AsyncAnthropic(base_url=task["base_url"], api_key=task["key"], **options)
        self.task = task
        messages = [{"role": "user", "content": task.get("prompt", "")}]
        self.message = {"model": task.get("model"), "messages": messages, "max_tokens": task.get("most", 200)}
        self.tools = [{"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["schema"]}]

    async def plain(self):
        raw = await self.client.messages.with_raw_response.create(**self.message)
        answer = await raw.parse()
        return {"text": answer.content[0].text, "tokens": [answer.usage.input_tokens, answer.usage.output_tokens], "headers": dict(raw.headers)}

    async def stream(self):
        parts = []
        async with self.client.messages.stream(**self.message) as stream:
            async for text in stream.text_stream:
                parts.append(text)
            usage = (await stream.get_final_message()).usage
        return {"text": "".join(parts), "events": len(parts), "tokens": [usage.input_tokens, usage.output_tokens]}

    async def tools_plain(self):
        answer = await self.client.messages.create(**self.message, tools=self.tools)
        return self._tool(answer)

    async def tools_stream(self):
        async with self.client.messages.stream(**self.message, tools=self.tools) as stream:
            return self._tool(await stream.get_final_message())

    @staticmethod
    def _tool(answer):
        call = next(block for block in answer.content if block.type == "tool_use")
        return {"tool": call.name, "arguments": call.input}

    async def count_tokens(self):
        counted = await self.client.messages.count_tokens(model=self.task["model"], messages=self.message["messages"])
        return {"tokens": [counted.input_tokens, 0]}

    async def models(self):
        return {"models": [model.id async for model in self.client.models.list()]}

    async def open_stream(self, index):
        messages = [{"role": "user", "content": self.task["prompts"][index]}]
        stream = await self.client.messages.create(**self.message | {"messages": messages}, stream=True)
        return stream, lambda event: event.type == "content_block_delta"


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
    answer = getattr(error, "response", None)
    headers = dict(answer.headers) if answer is not None else {}
    classes = [kind.__name__ for kind in type(error).__mro__]
    return {"error": classes, "status": getattr(error, "status_code", None), "message": str(error)[:2000], "body": getattr(error, "body", None), "headers": headers}


def say(line):
    print(json.dumps(line), flush=True)


async def perform(task):
    if task["do"] == "nothing":
        return say({"seconds": 0})
    sdk = {"openai": OpenAi, "anthropic": Anthropic}[task["sdk"]](task)
    started = time.monotonic()
    try:
        async with sdk.client:
            answer = await (streams(sdk) if task["do"] == "streams" else getattr(sdk, task["do"])())
    except (openai.OpenAIError, anthropic.AnthropicError) as error:
        answer = raised(error)
    say(answer | {"seconds": time.monotonic() - started})


for line in sys.stdin:
    asyncio.run(perform(json.loads(line)))
