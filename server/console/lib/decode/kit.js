// The readable half of a Kit Token, after the `#`. It is not sealed: hints, never a permission.

import { decodeBase64, encodeBase64, finding } from "./text.js";

/** What the info part says, or nothing and a finding. */
export function readInfo(token, info, findings) {
  if (!token || !info || info.includes("#")) {
    findings.push(finding("kit_separator", "A Kit Token is a token, one '#' and its info part.", "A Kit Token is a token, one '#' and its info part: copy all of it, once."));
    return undefined;
  }
  const { read, part } = parse(info);
  if (part) {
    findings.push(finding("kit_info", `The info part of the Kit Token is unreadable at its ${part}.`, 'Compose the info part again: base64 of {"userID","roomID","userName","appID"}, with the name percent-encoded and appID a number.'));
  }
  return read;
}

/** What it says, or the part at which it is unreadable. */
function parse(encoded) {
  const { bytes, foreign } = decodeBase64(encoded);
  if (foreign || encodeBase64(bytes) !== encoded) return { part: "base64" };
  // The kit encodes with a browser's `btoa`: one byte is one code point, not UTF-8.
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  let object;
  try {
    object = JSON.parse(text);
  } catch {
    return { part: "JSON" };
  }
  const isObject = typeof object === "object" && object !== null && !Array.isArray(object);
  if (!isObject || hasTwice(text)) return { part: "JSON" };
  if (typeof object.userID !== "string") return { part: "userID" };
  if (typeof object.userName !== "string") return { part: "userName" };
  if (![undefined, null].includes(object.roomID) && typeof object.roomID !== "string") return { part: "roomID" };
  if (!Number.isInteger(object.appID) || object.appID < 1 || object.appID > 0xffffffff) return { part: "appID" };
  try {
    return { read: { appId: object.appID, userId: object.userID, roomId: object.roomID ?? undefined, userName: decodeURIComponent(object.userName) } };
  } catch {
    return { part: "userName" };
  }
}

/** Whether a member of the flat object occurs twice: of those, `JSON.parse` keeps the last one without a word. */
function hasTwice(text) {
  const names = [...text.matchAll(/[{,]\s*("(?:[^"\\]|\\.)*")\s*:/g)].map(([, name]) => JSON.parse(name));
  return new Set(names).size !== names.length;
}
