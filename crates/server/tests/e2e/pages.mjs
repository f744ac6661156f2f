// What the pages must be in a real browser, beyond what their HTML says.
//
// Called with a JSON object {broker, name, password, authorize, authorizeV6, grant} and Chromium's path. Prints a
// line of JSON for each thing that was seen; test_pages.py says what must be among them.

import { chromium } from "playwright-core";

const [given, executablePath] = process.argv.slice(2);
const { broker, name, password, authorize, authorizeV6, grant } = JSON.parse(given);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const PAGES = ["/apps", `/apps/${grant}`, `/apps/${grant}/limits`, "/apps/register", "/keys", "/limits", "/activity", "/settings"];

const browser = await chromium.launch({
  executablePath,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});

async function signedIn(options = {}) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, ...options });
  context.setDefaultTimeout(15000);
  // The client's own address, and two that mean no good: another site, and another port of this one.
  await context.route("http://127.0.0.1:7777/**", (route) => route.fulfill({ contentType: "text/html", body: "<p>back" }));
  const page = await context.newPage();
  await page.goto(`${broker}/login?return_to=/apps`);
  await page.getByLabel("Name or e-mail").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${broker}/apps`);
  return { context, page };
}

async function withoutScripts() {
  const { context, page } = await signedIn({ javaScriptEnabled: false });
  await page.goto(authorize);
  await page.getByRole("textbox", { name: "or $" }).fill("0.25");
  await page.getByRole("button", { name: "Allow", exact: true }).click();
  await page.waitForURL("http://127.0.0.1:7777/**");
  say({ withoutScripts: new URL(page.url()).searchParams.has("code") });
  await page.goto(`${broker}/apps`);
  say({ allowedWithoutScripts: await page.locator("main").innerText() });
  await context.close();
}

// A policy cannot name an IPv6 address, and must let the answer go all the same. Nobody listens there:
// that the browser asks is enough.
async function toIpv6() {
  const { context, page } = await signedIn();
  await page.goto(authorizeV6);
  const answered = page.waitForRequest((request) => request.url().startsWith("http://[::1]:7777/callback?"));
  await page.getByRole("button", { name: "Allow", exact: true }).click();
  say({ toIpv6: new URL((await answered).url()).searchParams.has("code") });
  await context.close();
}

// The button waits for the eye, each time the page comes to the front.
async function allowWaits() {
  const { context, page } = await signedIn();
  await page.goto(authorize);
  const allow = page.getByRole("button", { name: "Allow", exact: true });
  const atFirst = await allow.isDisabled();
  await page.locator("button[data-slow]:enabled").waitFor();
  await page.evaluate(() => window.dispatchEvent(new Event("focus")));
  say({ allowWaits: [atFirst, await allow.isDisabled()], denyWaits: await page.getByRole("button", { name: "Don’t allow" }).isDisabled() });
  await context.close();
}

// Every stop of the Tab key shows where it is, and the way leads to both answers.
async function byKeyboard() {
  const { context, page } = await signedIn();
  await page.goto(authorize);
  await page.locator("button[data-slow]:enabled").waitFor();
  const stops = [];
  for (let press = 0; press < 60; press++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const seen = document.activeElement;
      if (!seen || seen === document.body) return null;
      // The ring of a radio button that is drawn as a chip is its neighbour's.
      const drawn = seen.closest(".chip")?.querySelector("span") ?? seen;
      const { outlineStyle, outlineWidth } = getComputedStyle(drawn);
      return { words: (seen.innerText || seen.name || "").trim(), ring: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 };
    });
    if (!stop) break;
    stops.push(stop);
  }
  say({ first: stops[0]?.words, answers: stops.map((stop) => stop.words).filter((words) => /allow$/i.test(words)), ringless: stops.filter((stop) => !stop.ring) });
  await context.close();
}

async function narrowAndNamed() {
  const { context, page } = await signedIn({ viewport: { width: 320, height: 640 } });
  const devtools = await context.newCDPSession(page);
  for (const path of [...PAGES, authorize.replace(broker, "")]) {
    await page.goto(broker + path);
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (tooWide > 0) say({ tooWide: `${path} by ${tooWide}` });
    const { nodes } = await devtools.send("Accessibility.getFullAXTree");
    const controls = nodes.filter((node) => /^(button|link|textbox|checkbox|radio|combobox|radiogroup)$/.test(node.role?.value) && !node.ignored);
    const nameless = controls.filter((node) => !node.name?.value?.trim());
    if (nameless.length) say({ nameless: `${path}: ${nameless.map((node) => node.role.value)}` });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const pale of await page.evaluate(paleText)) say({ pale: `${path}, ${colorScheme}: ${pale}` });
    }
  }
  say({ looked: PAGES.length + 1 });
  await context.close();
}

// Text with too little contrast to what is behind it (WCAG 2.2, 1.4.3). Runs in the page.
function paleText() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const pale = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const element = text.parentElement;
    if (!text.data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest(":disabled, .sr")) continue;
    const style = getComputedStyle(element);
    const [one, other] = [luminance(rgba(style.color)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    const isLarge = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) pale.push(`${text.data.trim().slice(0, 30)} (${ratio.toFixed(2)})`);
  }
  return pale;
}

// What a hostile page can do with a browser in which the user is signed in.
async function underAttack() {
  const { context, page } = await signedIn();
  const stop = `<form method="post" action="${broker}/apps/${grant}/stop"><input name="csrf" value="x"></form><script>document.forms[0].submit()</script>`;
  const frame = `<iframe src="${broker}/apps"></iframe>`;
  for (const site of ["http://evil.test", "http://127.0.0.1:7778"]) {
    await context.route(`${site}/**`, (route) => route.fulfill({ contentType: "text/html", body: route.request().url().endsWith("/frame") ? frame : stop }));
    const posted = page.waitForResponse((response) => response.request().method() === "POST");
    await page.goto(`${site}/post`).catch(() => {});
    say({ forged: site, status: (await posted).status() });
    await page.waitForLoadState();
    await page.goto(`${site}/frame`);
    await page.waitForTimeout(500);
    const framed = page.frames().filter((frame) => frame.url().startsWith(broker));
    const words = await Promise.all(framed.map((frame) => frame.evaluate(() => document.body.innerText).catch(() => "")));
    say({ framed: words.filter((text) => text.includes("Spent")) });
  }
  await page.goto(`${broker}/apps`);
  const refused = await page.evaluate(() => {
    const tries = {
      html: () => { document.body.innerHTML = "<p>x"; },
      script: () => { const script = document.createElement("script"); script.textContent = "window.ran = 1"; document.body.append(script); },
      policy: () => { trustedTypes.createPolicy("mine", {}); },
    };
    return Object.keys(tries).filter((what) => { try { tries[what](); return false; } catch { return true; } });
  });
  say({ refused, ran: await page.evaluate(() => "ran" in window) });
  await context.close();
}

await withoutScripts();
await toIpv6();
await allowWaits();
await byKeyboard();
await narrowAndNamed();
await underAttack();
await browser.close();
