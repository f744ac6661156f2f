"""Anthropic's SDK."""

import anthropic

from tool import TOOL


class Anthropic:
    errors = (anthropic.AnthropicError,)

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
