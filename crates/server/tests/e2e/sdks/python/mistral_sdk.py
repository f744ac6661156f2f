"""Mistral's SDK."""

import json

from mistralai.client import Mistral as Client
from mistralai.client.errors import MistralError
from mistralai.client.utils import BackoffStrategy, RetryConfig

from tool import TOOL


class Mistral:
    errors = (MistralError,)

    def __init__(self, task):
        options = {}
        if task.get("retries") != 0 and task.get("retrying"):
            options["retry_config"] = RetryConfig("backoff", BackoffStrategy(500, 5000, 1.5, 20000), True)
        self.client = Client(api_key=task["key"], server_url=task["base_url"], **options)
        self.task = task
        messages = [{"role": "user", "content": task.get("prompt", "")}]
        self.chat = {"model": task.get("model"), "messages": messages, "max_tokens": task.get("most", 200)}
        self.tools = [{"type": "function", "function": {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}}]

    async def plain(self):
        answer = await self.client.chat.complete_async(**self.chat)
        return {"text": answer.choices[0].message.content, "tokens": self._tokens(answer)}

    async def stream(self):
        parts, last = [], None
        async for event in await self.client.chat.stream_async(**self.chat):
            last = event.data
            parts += [choice.delta.content for choice in last.choices if choice.delta.content]
        return {"text": "".join(parts), "events": len(parts), "tokens": self._tokens(last)}

    @staticmethod
    def _tokens(answer):
        return [answer.usage.prompt_tokens, answer.usage.completion_tokens]

    async def tools_plain(self):
        answer = await self.client.chat.complete_async(**self.chat, tools=self.tools)
        return self._tool(answer.choices[0].message.tool_calls)

    async def tools_stream(self):
        calls = []
        async for event in await self.client.chat.stream_async(**self.chat, tools=self.tools):
            calls += [call for choice in event.data.choices for call in choice.delta.tool_calls or []]
        return self._tool(calls)

    @staticmethod
    def _tool(calls):
        arguments = calls[0].function.arguments
        return {"tool": calls[0].function.name, "arguments": json.loads(arguments) if isinstance(arguments, str) else arguments}

    async def models(self):
        return {"models": [model.id for model in (await self.client.models.list_async()).data]}

    async def embeddings(self):
        answer = await self.client.embeddings.create_async(model=self.task["model"], inputs=["one heron", "two herons"])
        return {"vectors": len(answer.data), "size": len(answer.data[0].embedding), "tokens": [answer.usage.prompt_tokens, 0]}

    async def fim(self):
        answer = await self.client.fim.complete_async(model=self.task["model"], prompt="def heron(", suffix="return wings", max_tokens=50)
        return {"text": answer.choices[0].message.content}

    async def ocr(self):
        document = {"type": "image_url", "image_url": "data:image/png;base64,iVBORw0KGgo="}
        answer = await self.client.ocr.process_async(model=self.task["model"], document=document)
        return {"pages": len(answer.pages)}
