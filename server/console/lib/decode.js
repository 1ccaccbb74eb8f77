// Takes a token apart without its secret: nothing leaves the page. What is broken is read as far as it goes, and what is
// wrong with it is said with the codes of `token-gen inspect`, which reads it likewise.
//
// Nothing in a token is proven here: anybody can write one that reads like this.

import { readInfo } from "./decode/kit.js";
import { layOut, strictFault } from "./decode/layout.js";
import { canonicalFault, decodeBase64, encodeBase64, finding, repair, shortest, versionOf } from "./decode/text.js";

/** The longest text that is looked at: the longest token of the format, `#`, and an info part. */
const MAX_BYTES = 87_418 + 1 + 16_384;
/** No generator in use was there before; whatever is later is in milliseconds. */
const LAST_SECOND = 100_000_000_000;

/**
 * All that `text` shows. `fields` are `{ name, label, from, to, meaning }` over the bytes of `body`; `findings` are
 * `{ code, problem, remedy }`, the decisive one first, and empty for a token in good form and in time; `repaired` is the text
 * put right, where it could be.
 */
export function decode(text, now) {
  const seen = { text, version: undefined, format: undefined, body: new Uint8Array(), fields: [], expireAt: undefined, kit: undefined, findings: [], repaired: undefined };
  if (new TextEncoder().encode(text).length > MAX_BYTES) {
    seen.findings.push(finding("too_long", `The token is longer than ${MAX_BYTES} bytes.`, "Mint it with a smaller payload, or raise the reader's limit if tokens of this size are meant to pass."));
    return seen;
  }
  const whole = repair(text, seen.findings);
  const at = whole.indexOf("#");
  const token = at < 0 ? whole : whole.slice(0, at);
  const info = at < 0 ? undefined : whole.slice(at + 1);
  seen.version = versionOf(token, seen.findings);
  let repaired = token;
  if (seen.version) repaired = readBody(token, seen);
  if (info !== undefined) seen.kit = readInfo(token, info, seen.findings);
  const putRight = info === undefined ? repaired : `${repaired}#${info}`;
  if (seen.version && putRight !== text) seen.repaired = putRight;
  if (seen.version && now !== undefined) judgeTime(seen, now);
  return seen;
}

/** Reads the fields, and says how the token should be written. */
function readBody(token, seen) {
  const { bytes, foreign } = decodeBase64(token.slice(2));
  const { fields, format, cut } = layOut(seen.version, bytes);
  Object.assign(seen, { body: bytes, fields, format, expireAt: expiry(bytes) });
  let fault;
  let repaired = token;
  if (foreign) {
    fault = finding("base64", `Character ${3 + foreign.at} of the token is ${JSON.stringify(foreign.character)}, which is not base64.`, "Copy the token again from where it was minted; nothing may be added to it or replaced in it.");
  } else if (cut) {
    fault = truncated(token, cut);
  } else {
    repaired = seen.version + encodeBase64(bytes);
    fault = canonicalFault(token, repaired);
  }
  if (fault) seen.findings.push(fault);
  if (!seen.findings.length) {
    const strict = strictFault(seen.version, fields, bytes);
    if (strict) seen.findings.push(strict);
  }
  return repaired;
}

function truncated(token, cut) {
  const length = token.replace(/=+$/, "").length;
  const whole = cut.wholeLength === undefined ? undefined : 2 + Math.ceil(cut.wholeLength / 3) * 4;
  const problem = whole === undefined
    ? `The token breaks off in its ${cut.field}, after ${length} characters; the shortest token has ${shortest}.`
    : `The token breaks off in its ${cut.field}: it has ${length} characters of ${whole}, so ${Math.max(0, whole - length)} are missing at the end.`;
  return finding("truncated", problem, "Something cut it: look for a database column, log line, URL or buffer with a length limit between mint and here, and give it room for 8192 characters.");
}

/** The expiry in clear, which anybody can edit; beyond what numbers hold exactly it is none. */
function expiry(bytes) {
  if (bytes.length < 8) return undefined;
  const at = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0));
  return Number.isSafeInteger(at) ? at : undefined;
}

function judgeTime(seen, now) {
  if (seen.expireAt === undefined) return;
  if (seen.expireAt >= LAST_SECOND) {
    seen.findings.push(finding("expiry_in_milliseconds", "The expiry in clear lies thousands of years ahead: it was written in milliseconds.", "Write times in whole Unix seconds."));
  } else if (seen.expireAt <= now) {
    seen.findings.push(finding("expired", `By its expiry in clear, the token ended ${now - seen.expireAt} s ago.`, "Mint a new token. If the client fetches them itself, have it fetch one before each login and let the SDK renew in the room."));
  }
}
