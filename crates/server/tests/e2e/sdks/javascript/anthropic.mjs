// Anthropic's SDK.

import Anthropic from "@anthropic-ai/sdk";

import { SCHEMA, TOOL } from "./tool.mjs";

export class AnthropicSdk {
  static errors = [Anthropic.AnthropicError];

  constructor(task) {
    const options = "retries" in task ? { maxRetries: task.retries } : {};
    this.client = new Anthropic({ baseURL: task.base_url, apiKey: task.key, ...options });
    this.task = task;
    this.message = { model: task.model, messages: [{ role: "user", content: task.prompt ?? "" }], max_tokens: task.most ?? 200 };
    this.tools = [{ ...TOOL, input_schema: SCHEMA }];
  }

  async plain() {
    const { data, response } = await this.client.messages.create(this.message).withResponse();
    const tokens = [data.usage.input_tokens, data.usage.output_tokens];
    return { text: data.content[0].text, tokens, headers: Object.fromEntries(response.headers) };
  }

  async stream() {
    const parts = [];
    const stream = this.client.messages.stream(this.message).on("text", (text) => parts.push(text));
    const { usage } = await stream.finalMessage();
    return { text: parts.join(""), events: parts.length, tokens: [usage.input_tokens, usage.output_tokens] };
  }

  async tools_plain() {
    return this.tool(await this.client.messages.create({ ...this.message, tools: this.tools }));
  }

  async tools_stream() {
    return this.tool(await this.client.messages.stream({ ...this.message, tools: this.tools }).finalMessage());
  }

  tool(answer) {
    const call = answer.content.find((block) => block.type === "tool_use");
    return { tool: call.name, arguments: call.input };
  }

  async count_tokens() {
    const counted = await this.client.messages.countTokens({ model: this.task.model, messages: this.message.messages });
    return { tokens: [counted.input_tokens, 0] };
  }

  async models() {
    const models = [];
    for await (const model of this.client.models.list()) models.push(model.id);
    return { models };
  }

  openStream(index) {
    const messages = [{ role: "user", content: this.task.prompts[index] }];
    return this.client.messages.create({ ...this.message, messages, stream: true }).withResponse();
  }

  isText(event) {
    return event.type === "content_block_delta";
  }
}
