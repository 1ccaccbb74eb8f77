// With much of everything, no page makes one wait. The bars are wide, for a slow build on a busy machine: what grows with the
// square of something misses them all the same. `make bench-console` holds the pages to what is promised.

import assert from "node:assert/strict";

import { kept, launch, server } from "../browser/launch.mjs";
import { crowded } from "./measure.mjs";

/** In milliseconds. */
const USABLE = 2000;
/** A page that was slow is opened again: another program may have had the machine. */
const TRIES = 4;

const browser = await launch();
const { paths, nameOf, visit } = await crowded(browser, await server(), { apps: 600, lines: 6000, users: 300 });
const slow = [];
for (const path of paths) {
  const tries = [];
  while (tries.length < TRIES && !(Math.min(...tries) < USABLE)) {
    const { fresh, again } = await visit(path);
    tries.push(Math.max(fresh.usable, again.usable));
  }
  if (Math.min(...tries) >= USABLE) slow.push(`${nameOf(path)}: ${tries.map((ms) => ms.toFixed(0)).join(", ")} ms`);
}
assert.deepEqual(slow, []);
kept("with hundreds of apps and users and thousands of records, every page can be used within two seconds");

await browser.close();
process.exit(0);
