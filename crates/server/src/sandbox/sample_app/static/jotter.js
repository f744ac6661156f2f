// Shows an answer as it comes. Without this file the form posts, and the answer comes at once.
"use strict";

const element = (id) => document.getElementById(id);
const form = element("summarise");

const showRefusal = ({ refused, raise_url: url, disconnected }) => {
  element("refusal-text").textContent = refused;
  if (url && /^https?:/.test(url)) element("raise").href = url;
  if (disconnected) {
    element("again").hidden = false;
    element("borrowed").hidden = true;
  }
  element("refusal").hidden = false;
};

const showLeft = async () => {
  const list = element("left");
  if (!list) return;
  const answered = await fetch("/left", { cache: "no-store" }).then((response) => response.json());
  if (!answered.left) return;
  list.replaceChildren(...answered.left.map((sentence) => {
    const item = document.createElement("li");
    item.textContent = sentence;
    return item;
  }));
};

// The events of a stream, each parsed.
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    unread += value;
    const events = unread.split("\n\n");
    unread = events.pop();
    for (const event of events) yield JSON.parse(event.slice("data: ".length));
  }
}

const summarise = async (body, signal) => {
  const headers = { accept: "text/event-stream" };
  const response = await fetch("/summarise", { method: "POST", headers, body, signal });
  if (!response.ok) throw new Error(`Jotter answered ${response.status}`);
  for await (const event of eventsOf(response)) {
    if (event.text) element("answer").append(event.text);
    if (event.refused) showRefusal(event);
  }
};

form?.addEventListener("submit", async (submission) => {
  submission.preventDefault();
  const buttons = [...form.querySelectorAll("button[name=pace]")];
  const cancel = element("cancel");
  const stop = new AbortController();
  // Read before the buttons are disabled: a disabled one does not say which it is.
  const body = new URLSearchParams(new FormData(form, submission.submitter));
  element("answer").replaceChildren();
  element("refusal").hidden = true;
  element("answer-box").hidden = false;
  for (const button of buttons) button.disabled = true;
  cancel.hidden = false;
  cancel.onclick = () => stop.abort();
  const watch = setInterval(() => showLeft().catch(() => {}), 1500);
  try {
    await summarise(body, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) showRefusal({ refused: `The answer broke off: ${error.message}.` });
  }
  clearInterval(watch);
  for (const button of buttons) button.disabled = false;
  cancel.hidden = true;
  await showLeft().catch(() => {});
});
