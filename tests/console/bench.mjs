// How soon each page is painted and can be used, with very many apps, a long audit trail and very many live users. No
// test of `make test`, which has a smaller one: `make bench-console` runs it on a release build and a database file. It ends
// with exit code 1 if a page misses a bar.
//
//   roompass dev --json --setup --data-dir DIR --listen 127.0.0.1:0 | node tests/console/bench.mjs 10000 100000 5000

import { launch, server } from "../browser/launch.mjs";
import { crowded } from "./measure.mjs";

const [apps, lines, users] = [10_000, 100_000, 5_000].map((usual, at) => Number(process.argv[2 + at] ?? usual));
/** What is promised, in milliseconds. */
const PAINTED = 200;
const USABLE = 1000;
/** Each page is opened so often without, and with, what the browser has kept of it. */
const ROUNDS = 5;

const browser = await launch();
const { paths, nameOf, visit } = await crowded(browser, await server(), { apps, lines, users, say: console.log });

const middle = (visits, what) => visits.map((visit) => visit[what]).toSorted((a, b) => a - b)[Math.floor(visits.length / 2)];
const number = (ms, width = 6) => ms.toFixed(0).padStart(width);

let missed = 0;
console.log(`${"".padEnd(40)} for the first time  again\n${"milliseconds to the first paint, usable".padEnd(40)} paint usable    paint usable`);
for (const path of paths) {
  const [fresh, again] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const visited = await visit(path);
    fresh.push(visited.fresh);
    again.push(visited.again);
  }
  const isMissed = [fresh, again].some((visits) => middle(visits, "painted") >= PAINTED || middle(visits, "usable") >= USABLE);
  if (isMissed) missed += 1;
  const figures = [fresh, again].map((visits) => `${number(middle(visits, "painted"))} ${number(middle(visits, "usable"))}`);
  console.log(`${nameOf(path).padEnd(39)} ${figures.join("   ")}${isMissed ? "  MISSED" : ""}`);
}
console.log(missed ? `${missed} pages missed ${PAINTED} ms to the first paint or ${USABLE} ms until usable` : `every page is painted within ${PAINTED} ms and usable within ${USABLE} ms (the middle of ${ROUNDS})`);
await browser.close();
process.exit(missed ? 1 : 0);
