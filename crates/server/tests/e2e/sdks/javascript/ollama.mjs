// Ollama's SDK. The class of its errors is not exported, and is known by its name.

import { Ollama } from "ollama";

import { SCHEMA, TOOL } from "./tool.mjs";

class ResponseError {
  static [Symbol.hasInstance](error) {
    return error?.name === "ResponseError";
  }
}

export class OllamaSdk {
  static errors = [ResponseError];

  constructor(task) {
    this.client = new Ollama({ host: task.base_url, headers: { Authorization: `Bearer ${task.key}` } });
    this.task = task;
    const messages = [{ role: "user", content: task.prompt ?? "" }];
    this.chat = { model: task.model, messages, options: { num_predict: task.most ?? 200 } };
    this.tools = [{ type: "function", function: { ...TOOL, parameters: SCHEMA } }];
  }

  async plain() {
    const answer = await this.client.chat(this.chat);
    return { text: answer.message.content, tokens: [answer.prompt_eval_count, answer.eval_count] };
  }

  async stream() {
    const parts = [];
    let last;
    for await (last of await this.client.chat({ ...this.chat, stream: true })) {
      if (last.message.content) parts.push(last.message.content);
    }
    return { text: parts.join(""), events: parts.length, tokens: [last.prompt_eval_count, last.eval_count] };
  }

  async tools_plain() {
    return this.tool((await this.client.chat({ ...this.chat, tools: this.tools })).message.tool_calls);
  }

  async tools_stream() {
    const calls = [];
    for await (const chunk of await this.client.chat({ ...this.chat, tools: this.tools, stream: true })) {
      calls.push(...(chunk.message.tool_calls ?? []));
    }
    return this.tool(calls);
  }

  tool([{ function: call }]) {
    return { tool: call.name, arguments: call.arguments };
  }

  async models() {
    return { models: (await this.client.list()).models.map((model) => model.model ?? model.name) };
  }

  async embeddings() {
    const answer = await this.client.embed({ model: this.task.model, input: ["one heron", "two herons"] });
    return { vectors: answer.embeddings.length, size: answer.embeddings[0].length, tokens: [answer.prompt_eval_count, 0] };
  }

  async generate() {
    const answer = await this.client.generate({ model: this.task.model, prompt: this.task.prompt, options: { num_predict: 50 } });
    return { text: answer.response, tokens: [answer.prompt_eval_count, answer.eval_count] };
  }
}
