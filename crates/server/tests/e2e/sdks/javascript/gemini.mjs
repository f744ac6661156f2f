// Google's SDK.

import { ApiError, GoogleGenAI } from "@google/genai";

import { SCHEMA, TOOL } from "./tool.mjs";

export class GeminiSdk {
  static errors = [ApiError];

  constructor(task) {
    const retries = "retries" in task ? { retryOptions: { attempts: task.retries + 1 } } : {};
    this.client = new GoogleGenAI({ apiKey: task.key, httpOptions: { baseUrl: task.base_url, ...retries } });
    this.task = task;
    this.asked = { model: task.model, contents: task.prompt ?? "" };
    this.config = { maxOutputTokens: task.most ?? 200 };
    const functions = [{ ...TOOL, parametersJsonSchema: SCHEMA }];
    this.withTools = { ...this.config, tools: [{ functionDeclarations: functions }] };
  }

  async plain() {
    const answer = await this.client.models.generateContent({ ...this.asked, config: this.config });
    return { text: answer.text, tokens: this.tokens(answer), headers: answer.sdkHttpResponse?.headers ?? {} };
  }

  async stream() {
    const parts = [];
    let last;
    for await (last of await this.client.models.generateContentStream({ ...this.asked, config: this.config })) {
      if (last.text) parts.push(last.text);
    }
    return { text: parts.join(""), events: parts.length, tokens: this.tokens(last) };
  }

  tokens({ usageMetadata: usage }) {
    return [usage.promptTokenCount, (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0)];
  }

  async tools_plain() {
    const answer = await this.client.models.generateContent({ ...this.asked, config: this.withTools });
    return { tool: answer.functionCalls[0].name, arguments: answer.functionCalls[0].args };
  }

  async tools_stream() {
    const calls = [];
    for await (const chunk of await this.client.models.generateContentStream({ ...this.asked, config: this.withTools })) {
      calls.push(...(chunk.functionCalls ?? []));
    }
    return { tool: calls[0].name, arguments: calls[0].args };
  }

  async models() {
    const models = [];
    for await (const model of await this.client.models.list()) models.push(model.name.replace(/^models\//, ""));
    return { models };
  }

  async count_tokens() {
    const counted = await this.client.models.countTokens(this.asked);
    return { tokens: [counted.totalTokens, 0] };
  }

  async embeddings() {
    const answer = await this.client.models.embedContent({ model: this.task.model, contents: ["one heron", "two herons"] });
    return { vectors: answer.embeddings.length, size: answer.embeddings[0].values.length };
  }

  async images() {
    const config = { responseModalities: ["TEXT", "IMAGE"] };
    const answer = await this.client.models.generateContent({ ...this.asked, config });
    const pictures = answer.candidates[0].content.parts.filter((part) => part.inlineData);
    return { images: pictures.length, bytes: pictures[0].inlineData.data.length };
  }
}
