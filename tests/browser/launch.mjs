// A real Chromium for tests: started without a screen, with a camera and a microphone that are none, and watched for
// whatever a page does that it should not.
//
// A test is a script that runs beside `roompass dev --json`, whose line comes on standard input. It prints one line a
// promise kept; an exception ends it with exit code 1.

import { existsSync } from "node:fs";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

const EXECUTABLE = process.env.ROOMPASS_CHROMIUM ?? "/usr/bin/chromium";

const BASE = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** Ten pictures a second are a picture, and leave the machine to the others. */
const MEDIA = [
  "--use-fake-device-for-media-stream=fps=10",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--allow-loopback-in-peer-connection",
  // Pages that are not in front count as well.
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
];

/** What `roompass dev --json` printed. */
export async function server() {
  const lines = createInterface({ input: process.stdin });
  const line = await new Promise((resolve) => lines.once("line", resolve));
  lines.close();
  return JSON.parse(line);
}

/** Says that a promise is kept. */
export function kept(promise) {
  console.log(promise);
}

/** A browser; without it there is no test, so it is not skipped. */
export async function launch({ flags = [] } = {}) {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(`Chromium is not at ${EXECUTABLE}: \`make setup-test\` installs it, and ROOMPASS_CHROMIUM names another`);
  }
  // The sandbox of Chromium needs a user of less power than root.
  const rootFlags = process.getuid() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: EXECUTABLE, args: [...rootFlags, ...BASE, ...MEDIA, ...flags] });
}

/** How long anything in a page may take: more than it does on a machine that others use too. */
const PATIENCE_MS = 60_000;

/** A page of somebody who has nothing in common with the others. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  return context.newPage();
}

/**
 * Watches a page that has not been opened yet. `faults` then has everything that a good page does not do: exceptions,
 * errors on the console, what its content security policy stopped, and requests to anywhere but `origin`. `except` takes
 * faults that the test brings about.
 */
export async function watch(page, origin, { except = () => false } = {}) {
  const faults = [];
  const fault = (text) => except(text) || faults.push(text);
  page.on("pageerror", (error) => fault(`exception: ${error.stack ?? error.message}`));
  page.on("console", (message) => message.type() === "error" && fault(`console: ${message.text()} (${message.location().url})`));
  page.on("request", (request) => {
    const { origin: asked, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && asked !== origin) fault(`request to ${asked}`);
  });
  await page.exposeBinding("roompassTestFault", (_, text) => fault(text));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
      window.roompassTestFault(`content security policy: ${effectiveDirective} ${blockedURI}`),
    );
  });
  return faults;
}

/** Waits until `holds` gives something true, and gives that. */
export async function until(what, holds, withinMs = PATIENCE_MS) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const held = await holds();
    if (held) return held;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
