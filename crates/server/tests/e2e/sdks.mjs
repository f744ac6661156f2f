// The OpenAI and Anthropic SDKs for JavaScript, unmodified, as a program that does what it is told.
//
// The same program as sdks.py, line for line: one JSON object in, one out.

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import readline from "node:readline";

const TOOL = { name: "weather", description: "The weather in a city" };
const SCHEMA = { type: "object", properties: { city: { type: "string" } } };

class OpenAiSdk {
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
}

class AnthropicSdk {
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

// As many streams at once as there are prompts; says when each began and ended, as it happens.
async function streams(sdk) {
  await Promise.all(sdk.task.prompts.map((_, index) => follow(sdk, index)));
  return { done: true };
}

async function follow(sdk, index) {
  const report = { stream: index };
  let [events, how] = [0, "completed"];
  try {
    const { data, response } = await sdk.openStream(index);
    report.request_id = response.headers.get("aipassport-request-id");
    for await (const event of data) {
      if (sdk.isText(event) && ++events === 1) say({ ...report, began: Date.now() / 1000 });
    }
  } catch (error) {
    how = error.constructor.name;
    report.message = String(error.message).slice(0, 300);
  }
  say({ ...report, ended: Date.now() / 1000, how, events });
}

function raised(error) {
  const classes = [];
  for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) classes.push(kind.name);
  const headers = error.headers ? Object.fromEntries(error.headers) : {};
  return { error: classes, status: error.status ?? null, message: String(error.message).slice(0, 2000), body: error.error ?? null, headers };
}

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

async function perform(task) {
  if (task.do === "nothing") return say({ seconds: 0 });
  const sdk = task.sdk === "openai" ? new OpenAiSdk(task) : new AnthropicSdk(task);
  const started = performance.now();
  let answer;
  try {
    answer = await (task.do === "streams" ? streams(sdk) : sdk[task.do]());
  } catch (error) {
    if (!(error instanceof OpenAI.OpenAIError || error instanceof Anthropic.AnthropicError)) throw error;
    answer = raised(error);
  }
  say({ ...answer, seconds: (performance.now() - started) / 1000 });
}

for await (const line of readline.createInterface({ input: process.stdin })) await perform(JSON.parse(line));
