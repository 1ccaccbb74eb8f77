// People at the console, as tests play them: each with a name, a password and an authenticator app.

import { createHmac } from "node:crypto";

import { watch } from "../browser/launch.mjs";

const STEP_SECS = 30;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Somebody with an authenticator app. */
export class Person {
  #secret;
  #lastStep = 0;

  constructor(name, password = "correct horse battery staple") {
    Object.assign(this, { name, password });
  }

  /** Puts the key into the authenticator app. */
  enrol(base32) {
    const bits = [...base32.replace(/\s/g, "")].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, "0")).join("");
    this.#secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  }

  /** A code that was not used yet. The server takes the next one too, so this waits only from the third on. */
  async code() {
    const present = () => Math.floor(Date.now() / 1000 / STEP_SECS);
    const step = Math.max(present(), this.#lastStep + 1);
    while (step > present() + 1) await new Promise((resolve) => setTimeout(resolve, 250));
    this.#lastStep = step;
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const digest = createHmac("sha1", this.#secret).update(counter).digest();
    return String((digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
  }
}

/** Whoever is not signed in is told so with a status that browsers put on the console. */
export const notSignedIn = (text) => text.includes("401") && text.includes("/v1/admin/session");

/** On a busy machine; whatever takes longer has failed. */
const PATIENCE_MS = 60_000;

/** A page of the console, watched: `faults` must stay empty. Nothing glides: what is looked at has the colours it keeps. */
export async function open(browser, origin, { except, ...more } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...more });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults = await watch(page, origin, { except: (text) => notSignedIn(text) || Boolean(except?.(text)) });
  return { page, faults };
}

/** Goes through what a set-up link opens, up to the last button. */
export async function fillSetup(page, link, person) {
  await page.goto(link);
  await page.getByLabel("Name").fill(person.name);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  person.enrol(await page.getByLabel("key", { exact: true }).innerText());
  await page.getByLabel("Code", { exact: true }).fill(await person.code());
}

/** Becomes an admin by a set-up link. */
export async function setUp(page, link, person) {
  await fillSetup(page, link, person);
  await page.getByRole("button", { name: "Finish" }).click();
  await page.getByRole("heading", { name: "Apps", level: 1 }).waitFor();
}

/** Signs in, on the page for that. */
export async function signIn(page, person) {
  await page.getByLabel("Name").fill(person.name);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByLabel("Code", { exact: true }).fill(await person.code());
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Asks the API from the page, with its session, as the page itself does. */
export async function ask(page, method, path, body) {
  return page.evaluate(
    async ([method, path, body]) => {
      const session = await (await fetch("/v1/admin/session")).json();
      const headers = method === "GET" ? {} : { "Content-Type": "application/json", "X-Roompass-Csrf": session.csrf_token };
      const response = await fetch(path, { method, headers, body: method === "GET" ? undefined : JSON.stringify(body ?? {}) });
      const text = await response.text();
      return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
    },
    [method, path, body],
  );
}

/** The pages of the console about apps and people; `app` is the number of one, `endpoint` a webhook of it. */
export function pages(app, endpoint) {
  const ofApp = ["", "/app-sign", "/secrets", "/policies", "/keys", "/webhooks", `/webhooks/${endpoint}`];
  return ["", "/new-app", "/new-app?kind=import", "/people", "/account", "/nowhere", ...ofApp.map((path) => `/apps/${app}${path}`)];
}

/** News that says `text`: it stays, since the mouse is on it now. */
export async function news(page, text) {
  const toast = page.locator(".toast").filter({ hasText: text });
  await toast.hover();
  return toast;
}

/** Buttons that only look, or are about the admin themselves: all that there are for those who may change nothing. */
const HARMLESS = /^(Navigation|Sign out|Refresh|Pause|Look|Previous|Next|Show|Dismiss|To the page|All settings|The ring|AppSign|Token only|Token preferred|Change password|New second factor|Sign out everywhere|All apps|All rooms|Find|Export all of it|Details of record \S+|Explain the refusal of \S+)$/;

/** The buttons of a page that may change something. */
export async function changing(page) {
  const all = page.locator("#main").getByRole("button");
  const names = await all.evaluateAll((all) => all.filter((one) => !one.disabled && !one.matches(".sort, .reasons button") && !one.closest("fieldset[disabled]")).map((one) => (one.ariaLabel || one.innerText).trim()));
  return names.filter((name) => !HARMLESS.test(name));
}

/** Waits until a page has loaded what it shows. */
export async function settled(page) {
  await page.locator("#main h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector(".loading, [aria-busy=true]"));
}
