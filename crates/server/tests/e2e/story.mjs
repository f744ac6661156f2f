// The whole story of the demo, as a person sees it in Chromium.
//
// Called with the sample app's address, the folder for screenshots and Chromium's path. Prints a line of
// JSON for each thing that was seen; test_browser.py says what must be among them.

import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

const [address, folder, executablePath] = process.argv.slice(2);
const WIDTHS = { 390: 844, 1280: 900 };
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
mkdirSync(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
context.setDefaultTimeout(15000);
// What a page complains of: scripts that fail, and what the content security policy stopped.
const complaints = [];
context.on("page", (page) => {
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("console", (line) => line.type() === "error" && complaints.push(`${page.url()}: ${line.text()}`));
});

// A page as it is on a phone and on a desk, by day and by night.
async function shoot(page, name) {
  for (const [width, height] of Object.entries(WIDTHS)) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width: Number(width), height });
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png`, fullPage: true, animations: "disabled" });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (overflow > 0) say({ overflow: `${name} at ${width}: ${overflow} px too wide` });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

const answer = (page) => page.locator("#answer").innerText();
const until = (page, predicate, argument) => page.waitForFunction(predicate, argument, { polling: 50 });
const longer = (page, than) => until(page, (length) => document.querySelector("#answer").textContent.length > length, than);

// The app asks.
const app = await context.newPage();
await app.goto(address);
await shoot(app, "app-before");
await app.getByRole("link", { name: "Connect your AI" }).click();
await app.waitForURL(/\/login/);
await shoot(app, "sign-in");
await app.getByRole("button", { name: /^Go on as/ }).click();

// The user decides, and lowers what was asked for.
await app.waitForURL(/\/consent\//);
const broker = new URL(app.url()).origin;
await shoot(app, "consent");
say({ consent: await app.locator("main").innerText() });
await app.getByRole("textbox", { name: "or $" }).fill("0.50");
await app.getByRole("button", { name: "Allow", exact: true }).click();
await app.waitForURL((url) => url.origin !== broker);
say({ is_back: new URL(app.url()).origin === new URL(address).origin });
await shoot(app, "app-connected");

// An answer streams through the broker.
await app.getByRole("button", { name: "Summarise", exact: true }).click();
await longer(app, 0);
const beginning = await answer(app);
await longer(app, beginning.length);
await app.getByRole("button", { name: "Summarise", exact: true }).and(app.locator(":enabled")).waitFor();
say({ streamed: (await answer(app)).length > beginning.length, refused: await app.locator("#refusal").isVisible() });
await shoot(app, "app-answered");

// The dashboard shows what it cost.
const page = await context.newPage();
await page.goto(`${broker}/apps`);
await shoot(page, "apps");
await page.getByRole("link", { name: "Jotter" }).first().click();
await page.waitForURL(/\/apps\/.+/);
say({ spent: await page.locator("#spends").innerText(), calls: await page.locator("#call-rows tbody tr").count() });
await shoot(page, "app-page");

// While another answer streams, money is held for it.
await app.getByRole("button", { name: "Summarise slowly" }).click();
await longer(app, 0);
await page.reload();
await page.getByText(/under way/).first().waitFor();
say({ held: await page.locator("#spends").innerText() });
await shoot(page, "app-page-streaming");

// Stop: the stream ends, and says why.
const pressed = Date.now();
await page.getByRole("button", { name: "Stop", exact: true }).click();
await app.locator("#refusal").waitFor({ state: "visible" });
say({ stopped_after_ms: Date.now() - pressed, reason: await app.locator("#refusal-text").innerText() });
await shoot(app, "app-stopped");
await page.waitForLoadState();
await page.goto(`${broker}/apps`);
await shoot(page, "apps-stopped");

// The next call is refused, with a reason.
await app.getByRole("button", { name: "Summarise", exact: true }).click();
await until(app, () => !document.querySelector("#refusal").hidden || !document.querySelector("#summarise button[name=pace]"));
say({ next: await app.locator("body").innerText() });
await shoot(app, "app-refused");

for (const name of ["keys", "activity", "settings"]) {
  await page.goto(`${broker}/${name}`);
  say({ page: name, text: await page.locator("main").innerText() });
  await shoot(page, name);
}
say({ complaints });
await browser.close();
