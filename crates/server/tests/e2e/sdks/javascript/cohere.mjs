// Cohere's SDK.

import { CohereClientV2, CohereError } from "cohere-ai";

import { SCHEMA, TOOL } from "./tool.mjs";

export class CohereSdk {
  static errors = [CohereError];

  constructor(task) {
    this.client = new CohereClientV2({ token: task.key, baseUrl: task.base_url });
    this.options = "retries" in task ? { maxRetries: task.retries } : {};
    this.task = task;
    this.chat = { model: task.model, messages: [{ role: "user", content: task.prompt ?? "" }], maxTokens: task.most ?? 200 };
    this.tools = [{ type: "function", function: { ...TOOL, parameters: SCHEMA } }];
  }

  async plain() {
    const answer = await this.client.chat(this.chat, this.options);
    return { text: answer.message.content[0].text, tokens: this.tokens(answer.usage) };
  }

  async stream() {
    const parts = [];
    let usage;
    for await (const event of await this.client.chatStream(this.chat, this.options)) {
      if (event.type === "content-delta") parts.push(event.delta.message.content.text);
      else if (event.type === "message-end") usage = event.delta.usage;
    }
    return { text: parts.join(""), events: parts.length, tokens: this.tokens(usage) };
  }

  tokens({ billedUnits }) {
    return [billedUnits.inputTokens, billedUnits.outputTokens];
  }

  async tools_plain() {
    const answer = await this.client.chat({ ...this.chat, tools: this.tools }, this.options);
    const call = answer.message.toolCalls[0].function;
    return { tool: call.name, arguments: JSON.parse(call.arguments) };
  }

  async tools_stream() {
    let [name, text] = ["", ""];
    for await (const event of await this.client.chatStream({ ...this.chat, tools: this.tools }, this.options)) {
      const call = event.delta?.message?.toolCalls?.function;
      if (event.type === "tool-call-start") name += call.name;
      if (event.type === "tool-call-start" || event.type === "tool-call-delta") text += call.arguments ?? "";
    }
    return { tool: name, arguments: JSON.parse(text) };
  }

  async models() {
    return { models: (await this.client.models.list()).models.map((model) => model.name) };
  }

  async embeddings() {
    const asked = { model: this.task.model, inputType: "search_document", embeddingTypes: ["float"], texts: ["one heron", "two herons"] };
    const answer = await this.client.embed(asked, this.options);
    return { vectors: answer.embeddings.float.length, size: answer.embeddings.float[0].length };
  }

  async rerank() {
    const asked = { model: this.task.model, query: "heron", documents: ["a heron", "a stone"] };
    return { results: (await this.client.rerank(asked, this.options)).results.length };
  }
}
