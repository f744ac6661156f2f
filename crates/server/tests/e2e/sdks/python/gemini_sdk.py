"""Google's SDK."""

from google import genai
from google.genai import errors, types

from tool import TOOL


class Gemini:
    errors = (errors.APIError,)

    def __init__(self, task):
        options = {"base_url": task["base_url"]}
        if "retries" in task:
            options["retry_options"] = types.HttpRetryOptions(attempts=task["retries"] + 1)
        self.client = genai.Client(api_key=task["key"], http_options=types.HttpOptions(**options)).aio
        self.task = task
        self.asked = {"model": task.get("model"), "contents": task.get("prompt", "")}
        self.config = {"max_output_tokens": task.get("most", 200)}
        function = types.FunctionDeclaration(name=TOOL["name"], description=TOOL["description"], parameters_json_schema=TOOL["schema"])
        self.tools = [types.Tool(function_declarations=[function])]

    async def plain(self):
        answer = await self.client.models.generate_content(**self.asked, config=self.config)
        headers = {name.lower(): value for name, value in (answer.sdk_http_response.headers or {}).items()}
        return {"text": answer.text, "tokens": self._tokens(answer), "headers": headers}

    async def stream(self):
        parts, last = [], None
        async for last in await self.client.models.generate_content_stream(**self.asked, config=self.config):
            parts += [last.text] if last.text else []
        return {"text": "".join(parts), "events": len(parts), "tokens": self._tokens(last)}

    @staticmethod
    def _tokens(answer):
        usage = answer.usage_metadata
        return [usage.prompt_token_count, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)]

    async def tools_plain(self):
        answer = await self.client.models.generate_content(**self.asked, config=self._with_tools())
        return {"tool": answer.function_calls[0].name, "arguments": answer.function_calls[0].args}

    async def tools_stream(self):
        calls = []
        async for chunk in await self.client.models.generate_content_stream(**self.asked, config=self._with_tools()):
            calls += chunk.function_calls or []
        return {"tool": calls[0].name, "arguments": calls[0].args}

    def _with_tools(self):
        return self.config | {"tools": self.tools, "automatic_function_calling": {"disable": True}}

    async def models(self):
        return {"models": [model.name.removeprefix("models/") async for model in await self.client.models.list()]}

    async def count_tokens(self):
        counted = await self.client.models.count_tokens(**self.asked)
        return {"tokens": [counted.total_tokens, 0]}

    async def embeddings(self):
        answer = await self.client.models.embed_content(model=self.task["model"], contents=["one heron", "two herons"])
        return {"vectors": len(answer.embeddings), "size": len(answer.embeddings[0].values)}

    async def images(self):
        config = {"response_modalities": ["TEXT", "IMAGE"]}
        answer = await self.client.models.generate_content(**self.asked, config=config)
        pictures = [part.inline_data for part in answer.candidates[0].content.parts if part.inline_data]
        return {"images": len(pictures), "bytes": len(pictures[0].data)}
