"""OpenAI's SDK."""

import json

import openai

from media import PICTURE, SOUND
from tool import TOOL


class OpenAi:
    errors = (openai.OpenAIError,)

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

    async def embeddings(self):
        answer = await self.client.embeddings.create(model=self.task["model"], input=["one heron", "two herons"])
        return {"vectors": len(answer.data), "size": len(answer.data[0].embedding), "tokens": [answer.usage.prompt_tokens, 0]}

    async def images(self):
        answer = await self.client.images.generate(model=self.task["model"], prompt=self.task["prompt"], size="1024x1024", quality="low")
        return {"images": len(answer.data), "bytes": len(answer.data[0].b64_json)}

    async def image_edit(self):
        picture = ("heron.png", PICTURE, "image/png")
        answer = await self.client.images.edit(model=self.task["model"], image=picture, prompt=self.task["prompt"], size="1024x1024", quality="low")
        return {"images": len(answer.data), "bytes": len(answer.data[0].b64_json)}

    async def speech(self):
        options = {"response_format": self.task["format"]} if "format" in self.task else {}
        voice = self.task.get("voice", "alloy")
        answer = await self.client.audio.speech.create(model=self.task["model"], voice=voice, input=self.task["prompt"], **options)
        return {"bytes": len(await answer.aread())}

    async def transcription(self):
        sound = ("heron.wav", SOUND, "audio/wav")
        answer = await self.client.audio.transcriptions.create(model=self.task["model"], file=sound)
        return {"text": answer.text}

    async def translation(self):
        sound = ("heron.wav", SOUND, "audio/wav")
        answer = await self.client.audio.translations.create(model=self.task["model"], file=sound)
        return {"text": answer.text}
