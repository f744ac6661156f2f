"""Ollama's SDK."""

import ollama

from tool import TOOL


class Ollama:
    errors = (ollama.ResponseError,)

    def __init__(self, task):
        self.client = ollama.AsyncClient(host=task["base_url"], headers={"Authorization": f"Bearer {task['key']}"})
        self.task = task
        messages = [{"role": "user", "content": task.get("prompt", "")}]
        self.chat = {"model": task.get("model"), "messages": messages, "options": {"num_predict": task.get("most", 200)}}
        self.tools = [{"type": "function", "function": {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}}]

    async def plain(self):
        answer = await self.client.chat(**self.chat)
        return {"text": answer.message.content, "tokens": [answer.prompt_eval_count, answer.eval_count]}

    async def stream(self):
        parts, last = [], None
        async for last in await self.client.chat(**self.chat, stream=True):
            parts += [last.message.content] if last.message.content else []
        return {"text": "".join(parts), "events": len(parts), "tokens": [last.prompt_eval_count, last.eval_count]}

    async def tools_plain(self):
        answer = await self.client.chat(**self.chat, tools=self.tools)
        return self._tool(answer.message.tool_calls)

    async def tools_stream(self):
        calls = []
        async for chunk in await self.client.chat(**self.chat, tools=self.tools, stream=True):
            calls += chunk.message.tool_calls or []
        return self._tool(calls)

    @staticmethod
    def _tool(calls):
        return {"tool": calls[0].function.name, "arguments": dict(calls[0].function.arguments)}

    async def models(self):
        return {"models": [model.model for model in (await self.client.list()).models]}

    async def embeddings(self):
        answer = await self.client.embed(model=self.task["model"], input=["one heron", "two herons"])
        return {"vectors": len(answer.embeddings), "size": len(answer.embeddings[0]), "tokens": [answer.prompt_eval_count, 0]}

    async def generate(self):
        answer = await self.client.generate(model=self.task["model"], prompt=self.task["prompt"], options={"num_predict": 50})
        return {"text": answer.response, "tokens": [answer.prompt_eval_count, answer.eval_count]}
