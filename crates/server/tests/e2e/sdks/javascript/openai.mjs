// OpenAI's SDK.

import OpenAI, { toFile } from "openai";

import { PICTURE, SOUND } from "./media.mjs";
import { SCHEMA, TOOL } from "./tool.mjs";

export class OpenAiSdk {
  static errors = [OpenAI.OpenAIError];

  constructor(task) {
    const options = "retries" in task ? { maxRetries: task.retries } : {};
    this.client = new OpenAI({ baseURL: task.base_url, apiKey: task.key, ...options });
    this.task = task;
    this.chat = { model: task.model, messages: [{ role: "user", content: task.prompt ?? "" }], max_tokens: task.most ?? 200 };
    this.tools = [{ type: "function", function: { ...TOOL, parameters: SCHEMA } }];
  }

  async plain() {
    const { data, response } = await this.client.chat.completions.create(this.chat).withResponse();
    const tokens = [data.usage.prompt_tokens, data.usage.completion_tokens];
    return { text: data.choices[0].message.content, tokens, headers: Object.fromEntries(response.headers) };
  }

  async stream() {
    const asked = { ...this.chat, stream: true, stream_options: { include_usage: true } };
    const parts = [];
    let usage;
    for await (const chunk of await this.client.chat.completions.create(asked)) {
      parts.push(...chunk.choices.map((choice) => choice.delta.content).filter(Boolean));
      usage = chunk.usage ?? usage;
    }
    return { text: parts.join(""), events: parts.length, tokens: [usage.prompt_tokens, usage.completion_tokens] };
  }

  async tools_plain() {
    const answer = await this.client.chat.completions.create({ ...this.chat, tools: this.tools });
    const call = answer.choices[0].message.tool_calls[0].function;
    return { tool: call.name, arguments: JSON.parse(call.arguments) };
  }

  async tools_stream() {
    let [name, text] = ["", ""];
    for await (const chunk of await this.client.chat.completions.create({ ...this.chat, tools: this.tools, stream: true })) {
      for (const call of chunk.choices.flatMap((choice) => choice.delta.tool_calls ?? [])) {
        name += call.function.name ?? "";
        text += call.function.arguments ?? "";
      }
    }
    return { tool: name, arguments: JSON.parse(text) };
  }

  async responses_plain() {
    const asked = { model: this.task.model, input: this.task.prompt, max_output_tokens: 200, store: false };
    const answer = await this.client.responses.create(asked);
    return { text: answer.output_text, tokens: [answer.usage.input_tokens, answer.usage.output_tokens] };
  }

  async responses_stream() {
    const asked = { model: this.task.model, input: this.task.prompt, max_output_tokens: 200, store: false, stream: true };
    const parts = [];
    let usage;
    for await (const event of await this.client.responses.create(asked)) {
      if (event.type === "response.output_text.delta") parts.push(event.delta);
      else if (event.type === "response.completed") usage = event.response.usage;
    }
    return { text: parts.join(""), events: parts.length, tokens: [usage.input_tokens, usage.output_tokens] };
  }

  async models() {
    const models = [];
    for await (const model of this.client.models.list()) models.push(model.id);
    return { models };
  }

  openStream(index) {
    const messages = [{ role: "user", content: this.task.prompts[index] }];
    return this.client.chat.completions.create({ ...this.chat, messages, stream: true }).withResponse();
  }

  isText(chunk) {
    return chunk.choices.some((choice) => choice.delta.content);
  }

  async embeddings() {
    const answer = await this.client.embeddings.create({ model: this.task.model, input: ["one heron", "two herons"] });
    return { vectors: answer.data.length, size: answer.data[0].embedding.length, tokens: [answer.usage.prompt_tokens, 0] };
  }

  async images() {
    const asked = { model: this.task.model, prompt: this.task.prompt, size: "1024x1024", quality: "low" };
    const answer = await this.client.images.generate(asked);
    return { images: answer.data.length, bytes: answer.data[0].b64_json.length };
  }

  async image_edit() {
    const image = await toFile(PICTURE, "heron.png", { type: "image/png" });
    const asked = { model: this.task.model, image, prompt: this.task.prompt, size: "1024x1024", quality: "low" };
    const answer = await this.client.images.edit(asked);
    return { images: answer.data.length, bytes: answer.data[0].b64_json.length };
  }

  async speech() {
    const { model, prompt: input, voice = "alloy", format } = this.task;
    const answer = await this.client.audio.speech.create({ model, voice, input, response_format: format });
    return { bytes: (await answer.arrayBuffer()).byteLength };
  }

  // The file first, as the SDK's own examples have it.
  async transcription() {
    const file = await toFile(SOUND, "heron.wav", { type: "audio/wav" });
    return { text: (await this.client.audio.transcriptions.create({ file, model: this.task.model })).text };
  }

  async translation() {
    const file = await toFile(SOUND, "heron.wav", { type: "audio/wav" });
    return { text: (await this.client.audio.translations.create({ file, model: this.task.model })).text };
  }
}
