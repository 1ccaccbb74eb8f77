// The demo page before anybody joins: on screens of all sizes, light and dark.

import assert from "node:assert/strict";

import { barriers } from "./axe.mjs";
import { kept, launch, server, watch } from "./launch.mjs";

const SIZES = [
  { width: 360, height: 740 },
  { width: 768, height: 1024 },
  { width: 1920, height: 1080 },
];

const { url } = await server();
const browser = await launch();

for (const colorScheme of ["light", "dark"]) {
  for (const viewport of SIZES) {
    const page = await browser.newPage({ viewport, colorScheme });
    const faults = await watch(page, url);
    await page.goto(`${url}/demo`);
    const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(scrollWidth <= viewport.width, `${colorScheme} at ${viewport.width} px: ${scrollWidth} px wide`);
    assert.deepEqual(await barriers(page), [], `${colorScheme} at ${viewport.width} px`);
    assert.deepEqual(faults, []);
    await page.close();
  }
}
kept("the page fits, can be used by all, and keeps to its policy");

await browser.close();
