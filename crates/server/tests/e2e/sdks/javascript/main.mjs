// The vendors' SDKs for JavaScript, unmodified, as a program that does what it is told.
//
// The same program as ../python, line for line: one JSON object in, one out. How each SDK is used is in
// its own file.

import readline from "node:readline";

import { AnthropicSdk } from "./anthropic.mjs";
import { CohereSdk } from "./cohere.mjs";
import { GeminiSdk } from "./gemini.mjs";
import { MistralSdk } from "./mistral.mjs";
import { OllamaSdk } from "./ollama.mjs";
import { OpenAiSdk } from "./openai.mjs";

const SDKS = { openai: OpenAiSdk, anthropic: AnthropicSdk, gemini: GeminiSdk, mistral: MistralSdk, cohere: CohereSdk, ollama: OllamaSdk };

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

// What the SDK threw: each keeps the status and the headers in a place of its own.
function raised(error) {
  const classes = [];
  for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) classes.push(kind.name);
  const headers = error.headers ?? error.rawResponse?.headers ?? error.response?.headers ?? {};
  const status = error.status ?? error.statusCode ?? error.status_code ?? null;
  const body = error.error ?? error.body ?? null;
  return { error: classes, status, message: String(error.message).slice(0, 2000), body, headers: Object.fromEntries(headers[Symbol.iterator] ? headers : Object.entries(headers)) };
}

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

async function perform(task) {
  if (task.do === "nothing") return say({ seconds: 0 });
  const sdk = new SDKS[task.sdk](task);
  const started = performance.now();
  let answer;
  try {
    answer = await (task.do === "streams" ? streams(sdk) : sdk[task.do]());
  } catch (error) {
    if (!SDKS[task.sdk].errors.some((kind) => error instanceof kind)) throw error;
    answer = raised(error);
  }
  say({ ...answer, seconds: (performance.now() - started) / 1000 });
}

for await (const line of readline.createInterface({ input: process.stdin })) await perform(JSON.parse(line));
