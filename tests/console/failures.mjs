// What cannot be shown: each page says so, and what to do about it; and when it can be shown again, it is.

import assert from "node:assert/strict";

import { barriers } from "../browser/axe.mjs";
import { kept, launch, server } from "../browser/launch.mjs";
import { Person, ask, open, setUp, settled } from "./admin.mjs";

const { url, app_id: appId, setup_link: link } = await server();
const browser = await launch();
// A room that nobody is in is none.
const { page, faults } = await open(browser, url, { except: (text) => / (500|403) |404.*room_id=lobby/.test(text) });
await setUp(page, link, new Person("ada"));
const hook = (await ask(page, "POST", `/v1/apps/${appId}/webhooks`, { url: "https://hooks.example.com/r" })).body.webhook.endpoint_id;

// A page that nobody looks at asks for nothing by itself: what is tried again is what the button does.
await page.addInitScript(() => Object.defineProperty(document, "hidden", { value: true }));

const app = `/apps/${appId}`;
/** Each page that shows what it asks for, with what it asks. */
const PAGES = [
  ["", "/v1/apps"],
  ["/people", "/v1/admin/admins"],
  ["/account", "/v1/admin/sessions"],
  ["/audit", "/v1/audit"],
  ["/refusals", "/v1/refusals"],
  ["/statistics", "/v1/statistics"],
  [app, `/v1${app}`],
  [`${app}/live`, `/v1${app}/rooms`],
  [`${app}/live?show=users`, `/v1${app}/sessions`],
  [`${app}/live?show=streams`, `/v1${app}/streams`],
  [`${app}/live?room=lobby`, `/v1${app}/room`],
  [`${app}/refusals`, `/v1${app}/refusals`],
  [`${app}/bans`, `/v1${app}/bans`],
  [`${app}/bans?show=revocations`, `/v1${app}/revocations`],
  [`${app}/audit`, `/v1${app}/audit`],
  [`${app}/secrets`, `/v1${app}/secrets`],
  [`${app}/keys`, `/v1${app}/keys`],
  [`${app}/webhooks`, `/v1${app}/webhooks`],
  [`${app}/webhooks/${hook}`, `/v1${app}/webhooks/${hook}`],
  [`${app}/webhooks/${hook}`, `/v1${app}/webhooks/${hook}/deliveries`],
];

/** What the server answers when it fails, and when it does not let somebody. */
const PROBLEMS = {
  500: { code: "internal", title: "Something failed in the server", request_id: "req_0123456789abcdef" },
  403: { code: "forbidden", title: "That is not allowed", detail: "This needs a role that the admin has not.", request_id: "req_0123456789abcdef" },
};

/** Has the server answer so to what asks for `path`, until the function is called that this gives. */
async function spoil(path, status) {
  const isMeant = ({ pathname }) => pathname === path;
  await page.route(isMeant, (route) => route.fulfill({ status, contentType: "application/problem+json", body: JSON.stringify({ status, ...PROBLEMS[status] }) }));
  return () => page.unroute(isMeant);
}

/** The page as it looks then; nothing of it keeps anybody out. */
async function look(path, status) {
  await page.goto(`${url}/console${path}`);
  const told = page.locator("#main .state").filter({ hasText: status === 403 ? "Your role does not reach here" : PROBLEMS[500].title });
  await told.first().waitFor();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await barriers(page), [], `${path} with ${status}, ${colorScheme}`);
  }
  return told;
}

for (const [path, asked] of PAGES) {
  const mend = await spoil(asked, 500);
  const told = await look(path, 500);
  await told.getByText(PROBLEMS[500].request_id).waitFor();
  const again = told.getByRole("button", { name: "Try again" });
  await Promise.all([page.waitForResponse((response) => new URL(response.url()).pathname === asked), again.click()]);
  await again.waitFor();
  await mend();
  await again.click();
  await told.waitFor({ state: "detached" });
  await settled(page);
}
kept("a page that cannot be loaded says why, and is tried again");

for (const [path, asked] of PAGES) {
  const mend = await spoil(asked, 403);
  const told = await look(path, 403);
  assert.equal(await told.getByRole("button", { name: "Try again" }).count(), 0, `${path}: nothing would come of it`);
  await mend();
}
kept("whoever may not see it is told that their role does not reach, and who can change it");

assert.deepEqual(faults, []);
await browser.close();
