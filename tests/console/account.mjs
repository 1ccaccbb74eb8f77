// People and their sessions: where somebody is signed in, what ends that, who may do what, and what the trail says of it.

import assert from "node:assert/strict";

import { kept, launch, server } from "../browser/launch.mjs";
import { Person, ask, news, open, setUp, settled, signIn } from "./admin.mjs";

const { url, setup_link: link } = await server();
const browser = await launch();
const all = [];
const watched = async () => {
  const one = await open(browser, url, { except: (text) => text.includes("401") && text.includes("/v1/") });
  all.push(one);
  return one.page;
};
const page = await watched();
const main = page.locator("#main");
const dialog = page.getByRole("dialog");
const visit = async (path, at = page) => {
  await at.goto(`${url}/console${path}`);
  await settled(at);
};
const isIn = (at) => at.getByRole("button", { name: "Sign out", exact: true }).waitFor();
const isOut = (at) => at.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();

const ada = new Person("ada");
await setUp(page, link, ada);

/** Somebody whom Ada has invited, in a browser of their own. */
async function somebody(name) {
  const { status, body } = await ask(page, "POST", "/v1/admin/admins", { name, roles: { everywhere: "viewer" } });
  assert.equal(status, 201, JSON.stringify(body));
  const person = new Person(name);
  const theirs = await watched();
  await setUp(theirs, body.setup_link, person);
  return { person, page: theirs };
}

/** The same in a second browser. */
async function elsewhere({ person }) {
  const at = await watched();
  await visit("/sign-in", at);
  await signIn(at, person);
  await isIn(at);
  return at;
}

const grace = await somebody("grace");
const linus = await somebody("linus");
const ken = await somebody("ken");
const rob = await somebody("rob");
await visit("/people");
const row = main.getByRole("row").filter({ hasText: "grace" });
await row.getByText("Viewer").waitFor();
await row.getByRole("button", { name: "Roles" }).click();
await dialog.getByRole("radio", { name: /^Admin/ }).check();
await dialog.getByRole("button", { name: "Save" }).click();
const changed = await news(page, "grace has other roles now");
await row.getByText("Admin", { exact: true }).waitFor();
await changed.getByRole("button", { name: "Undo" }).click();
await row.getByText("Viewer").waitFor();
// What she may do is found out anew, so she signs in again.
await grace.page.getByRole("link", { name: "Statistics" }).click();
await isOut(grace.page);
await signIn(grace.page, grace.person);
await grace.page.getByRole("heading", { name: "Statistics", level: 1 }).waitFor();
await row.getByRole("button", { name: "Remove" }).click();
await dialog.getByRole("button", { name: "Remove" }).click();
await row.waitFor({ state: "detached" });
await grace.page.getByRole("link", { name: "Audit trail" }).click();
await isOut(grace.page);
kept("somebody's roles are changed and changed back, and somebody is removed, with their sessions");

const lines = (at, count) => at.waitForFunction((count) => document.querySelectorAll("#main tbody tr").length === count, count);
{
  const there = await elsewhere(linus);
  const at = linus.page;
  await visit("/account", at);
  await lines(at, 2);
  await at.getByRole("row").filter({ hasText: "this one" }).waitFor();
  await at.getByRole("table", { name: "Sessions" }).getByRole("button", { name: "End" }).click();
  await at.getByRole("dialog").getByRole("button", { name: "End it" }).click();
  await lines(at, 1);
  await there.getByRole("link", { name: "Statistics" }).click();
  await isOut(there);
}
kept("a session elsewhere is seen, and ended from here");

{
  const there = await elsewhere(ken);
  const at = ken.page;
  await visit("/account", at);
  await lines(at, 2);
  await at.getByRole("button", { name: "Sign out everywhere" }).click();
  await at.getByText("All 2 sessions end").waitFor();
  await at.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
  await isOut(at);
  await there.getByRole("link", { name: "Statistics" }).click();
  await isOut(there);
}
kept("signed out everywhere, at once");

{
  const { page: at, person } = rob;
  await visit("/account", at);
  const dialog = at.getByRole("dialog");
  await at.getByRole("button", { name: "Change password" }).click();
  await dialog.getByLabel("New password", { exact: true }).fill("too short");
  assert.ok(await dialog.getByRole("button", { name: "Change" }).isDisabled());
  const password = "a quite different battery staple";
  await dialog.getByLabel("New password", { exact: true }).fill(password);
  await dialog.getByRole("button", { name: "Change" }).click();
  await isOut(at);
  // With the one before, which costs no code.
  const code = await person.code();
  const attempt = { name: person.name, code: () => code };
  await signIn(at, { ...attempt, password: person.password });
  await at.getByText("Name, password or code is wrong").waitFor();
  await signIn(at, { ...attempt, password });
  await isIn(at);
}
kept("a new password ends every session, and the one before is over");

await visit("/audit");
const records = main.getByRole("table", { name: "Records" });
const found = (count, text) =>
  page.waitForFunction(
    ([count, text]) => {
      const all = [...document.querySelectorAll("#main tbody tr")];
      return all.length === count && all.every((row) => row.innerText.includes(text));
    },
    [count, text],
  );
const find = async (fields) => {
  for (const [label, value] of Object.entries(fields)) {
    const field = main.getByLabel(label, { exact: true });
    await (label === "What" || label === "How it ended" ? field.selectOption(value) : field.fill(value));
  }
  await main.getByRole("button", { name: "Find", exact: true }).click();
};
await find({ What: "set_roles", "By whom": "admin:ada" });
await found(2, "Roles changed");
assert.equal(new URL(page.url()).searchParams.get("action"), "set_roles", "what is looked for can be passed on");
await page.reload();
await found(2, "Roles changed");
await find({ What: "sign_in", "How it ended": "refused", "By whom": "" });
await found(1, "refused");
await records.getByRole("button", { name: /^Details/ }).click();
await dialog.getByText("127.0.0.1").waitFor();
await dialog.getByRole("button", { name: "Close" }).click();
await find({ "By whom": "admin:nobody" });
await page.getByText("No record fits").waitFor();
await main.getByRole("button", { name: "Show everything" }).click();
await records.getByText("Admin removed").waitFor();
kept("the trail says who did that, and is searched");

await visit("/account");
await main.getByRole("button", { name: "New second factor" }).click();
ada.enrol(await dialog.getByLabel("key", { exact: true }).innerText());
await dialog.getByLabel("Code", { exact: true }).fill(await ada.code());
await dialog.getByRole("button", { name: "Change" }).click();
await isOut(page);
await signIn(page, ada);
await isIn(page);
kept("a new second factor is the one to sign in with");

for (const { faults } of all) assert.deepEqual(faults, []);
await browser.close();
