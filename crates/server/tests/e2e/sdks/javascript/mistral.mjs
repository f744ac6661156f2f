// Mistral's SDK.

import { Mistral } from "@mistralai/mistralai";
import { MistralError } from "@mistralai/mistralai/models/errors";

import { SCHEMA, TOOL } from "./tool.mjs";

export class MistralSdk {
  static errors = [MistralError];

  constructor(task) {
    const backoff = { initialInterval: 500, maxInterval: 5000, exponent: 1.5, maxElapsedTime: 20000 };
    const retrying = task.retrying ? { retryConfig: { strategy: "backoff", backoff, retryConnectionErrors: true } } : {};
    this.client = new Mistral({ apiKey: task.key, serverURL: task.base_url, ...retrying });
    this.task = task;
    this.chat = { model: task.model, messages: [{ role: "user", content: task.prompt ?? "" }], maxTokens: task.most ?? 200 };
    this.tools = [{ type: "function", function: { ...TOOL, parameters: SCHEMA } }];
  }

  async plain() {
    const answer = await this.client.chat.complete(this.chat);
    return { text: answer.choices[0].message.content, tokens: this.tokens(answer) };
  }

  async stream() {
    const parts = [];
    let last;
    for await (const event of await this.client.chat.stream(this.chat)) {
      last = event.data;
      parts.push(...last.choices.map((choice) => choice.delta.content).filter(Boolean));
    }
    return { text: parts.join(""), events: parts.length, tokens: this.tokens(last) };
  }

  tokens({ usage }) {
    return [usage.promptTokens, usage.completionTokens];
  }

  async tools_plain() {
    const answer = await this.client.chat.complete({ ...this.chat, tools: this.tools });
    return this.tool(answer.choices[0].message.toolCalls);
  }

  async tools_stream() {
    const calls = [];
    for await (const event of await this.client.chat.stream({ ...this.chat, tools: this.tools })) {
      calls.push(...event.data.choices.flatMap((choice) => choice.delta.toolCalls ?? []));
    }
    return this.tool(calls);
  }

  tool([{ function: call }]) {
    return { tool: call.name, arguments: typeof call.arguments === "string" ? JSON.parse(call.arguments) : call.arguments };
  }

  async models() {
    return { models: (await this.client.models.list()).data.map((model) => model.id) };
  }

  async embeddings() {
    const answer = await this.client.embeddings.create({ model: this.task.model, inputs: ["one heron", "two herons"] });
    return { vectors: answer.data.length, size: answer.data[0].embedding.length, tokens: [answer.usage.promptTokens, 0] };
  }

  async fim() {
    const asked = { model: this.task.model, prompt: "def heron(", suffix: "return wings", maxTokens: 50 };
    return { text: (await this.client.fim.complete(asked)).choices[0].message.content };
  }

  async ocr() {
    const document = { type: "image_url", imageUrl: "data:image/png;base64,iVBORw0KGgo=" };
    return { pages: (await this.client.ocr.process({ model: this.task.model, document })).pages.length };
  }
}
