// Says how large the bundle is as it travels, and fails over the limit.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 25 * 1024;
const size = gzipSync(readFileSync(new URL("../dist/roompass.min.js", import.meta.url)), { level: 9 }).length;
console.log(`dist/roompass.min.js: ${size} bytes gzipped, of ${LIMIT}`);
process.exitCode = size > LIMIT ? 1 : 0;
