"""Cohere's SDK."""

import json

import cohere
from cohere.core.api_error import ApiError

from tool import TOOL


class Cohere:
    errors = (ApiError,)

    def __init__(self, task):
        self.client = cohere.AsyncClientV2(api_key=task["key"], base_url=task["base_url"])
        self.options = {"request_options": {"max_retries": task["retries"]}} if "retries" in task else {}
        self.task = task
        messages = [{"role": "user", "content": task.get("prompt", "")}]
        self.chat = {"model": task.get("model"), "messages": messages, "max_tokens": task.get("most", 200), **self.options}
        self.tools = [{"type": "function", "function": {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}}]

    async def plain(self):
        answer = await self.client.chat(**self.chat)
        return {"text": answer.message.content[0].text, "tokens": self._tokens(answer.usage)}

    async def stream(self):
        parts, usage = [], None
        async for event in self.client.chat_stream(**self.chat):
            if event.type == "content-delta":
                parts.append(event.delta.message.content.text)
            elif event.type == "message-end":
                usage = event.delta.usage
        return {"text": "".join(parts), "events": len(parts), "tokens": self._tokens(usage)}

    @staticmethod
    def _tokens(usage):
        return [int(usage.billed_units.input_tokens), int(usage.billed_units.output_tokens)]

    async def tools_plain(self):
        answer = await self.client.chat(**self.chat, tools=self.tools)
        call = answer.message.tool_calls[0].function
        return {"tool": call.name, "arguments": json.loads(call.arguments)}

    async def tools_stream(self):
        name, arguments = "", ""
        async for event in self.client.chat_stream(**self.chat, tools=self.tools):
            if event.type == "tool-call-start":
                name += event.delta.message.tool_calls.function.name
                arguments += event.delta.message.tool_calls.function.arguments or ""
            elif event.type == "tool-call-delta":
                arguments += event.delta.message.tool_calls.function.arguments
        return {"tool": name, "arguments": json.loads(arguments)}

    async def models(self):
        return {"models": [model.name for model in (await self.client.models.list()).models]}

    async def embeddings(self):
        asked = {"model": self.task["model"], "input_type": "search_document", "embedding_types": ["float"]}
        answer = await self.client.embed(**asked, texts=["one heron", "two herons"], **self.options)
        return {"vectors": len(answer.embeddings.float_), "size": len(answer.embeddings.float_[0])}

    async def rerank(self):
        answer = await self.client.rerank(model=self.task["model"], query="heron", documents=["a heron", "a stone"], **self.options)
        return {"results": len(answer.results)}
