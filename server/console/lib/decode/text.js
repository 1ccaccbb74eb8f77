// The text of a token: what happens to it on its way, what is shown in its place, and its base64.

/** Something that is wrong, and what to do about it. */
export const finding = (code, problem, remedy) => ({ code, problem, remedy });

/** The characters of the shortest token there can be. */
export const shortest = 58;

const utf8 = (text) => new TextEncoder().encode(text);
const SPACE = "[\\s\\ufeff\\u200b]";
const QUOTE = "[\"'`\\u201c\\u201d\\u2018\\u2019]";
const AROUND = (what) => new RegExp(`^${what}+|${what}+$`, "gu");
const ESCAPES = [["%2B", "+"], ["%2F", "/"], ["%3D", "="], ["%23", "#"]];

/** Undoes what transport does to a token, noting each kind of change once. Text that is no token comes back as it is. */
export function repair(original, findings) {
  let text = unwrap(original, findings);
  if (!/^0[34]/.test(text)) return text;
  const several = [...text.matchAll(/0[34]AAAAA/g)].filter(({ index }) => index > 8);
  if (several.length) {
    findings.push(finding("several_tokens", `There are ${several.length + 1} tokens in a row here; this is the first of them.`, "Pass one token: look for what joins them, such as a list that was printed or a field that was pasted into twice."));
    text = text.slice(0, several[0].index).replace(/[\s,;"']+$/, "");
  }
  if (text.includes("%")) {
    const undone = ESCAPES.reduce((text, [escape, plain]) => text.replaceAll(escape, plain).replaceAll(escape.toLowerCase(), plain), text);
    if (undone !== text) {
      findings.push(finding("percent_encoded", "The token is still percent-encoded (%2B, %2F, %3D), as in a URL.", "Decode the URL parameter once before use; better, send tokens in a request body."));
      text = undone;
    }
  }
  if (/[\r\n\t]/.test(text)) {
    findings.push(finding("line_breaks", "There are line breaks or tabs inside the token.", "Use a base64 encoder that does not wrap lines (PEM or MIME encoders wrap at 64 or 76), and copy the token as one line."));
    text = text.replace(/[\r\n\t]/g, "");
  }
  if (text.includes(" ")) {
    findings.push(finding("plus_became_space", "There are spaces inside the token where '+' was.", "A query string or form field turned '+' into a space: percent-encode the token (%2B) when putting it there; better, send tokens in a request body."));
    text = text.replaceAll(" ", "+");
  }
  if (/[-_]/.test(text)) {
    findings.push(finding("url_safe_alphabet", "The token is in the URL-safe base64 alphabet ('-' and '_').", "Encode it with the standard alphabet ('+' and '/') and padding; do not convert it for a URL."));
    text = text.replaceAll("-", "+").replaceAll("_", "/");
  }
  return text;
}

/** Takes off what stands around a token. */
function unwrap(original, findings) {
  let text = original.replace(AROUND(SPACE), "");
  let spaces = text.length !== original.length;
  const inside = memberOf(text);
  if (inside) {
    findings.push(finding("json_given", `This is JSON with the token in its member ${JSON.stringify(inside.name)}.`, "Pass the value of that member: parse the JSON that carries the token."));
    text = inside.value;
  }
  const unquoted = text.replace(AROUND(QUOTE), "");
  if (unquoted.length !== text.length) {
    findings.push(finding("quoted", "There are quotation marks around the token.", "Pass the string's value, not its JSON or source form: parse the JSON that carries it."));
    text = unquoted.replace(AROUND(SPACE), "");
    spaces ||= text.length !== unquoted.length;
  }
  const scheme = /^(bearer) /i.exec(text)?.[1];
  if (scheme) {
    findings.push(finding("scheme_prefix", `The word ${JSON.stringify(scheme)} stands in front of the token.`, "A room token is passed alone; the authorization scheme is no part of it."));
    text = text.slice(scheme.length + 1).trimStart();
  }
  if (spaces) {
    findings.push(finding("surrounding_white_space", "There is white space or a line end around the token.", "Trim it where it is read: files and command output end with a newline."));
  }
  return text;
}

/** The first member of a JSON object whose value begins like a token. */
function memberOf(text) {
  if (!text.startsWith("{")) return undefined;
  try {
    const found = Object.entries(JSON.parse(text)).find(([, value]) => typeof value === "string" && /^0[34]A/.test(value));
    return found && { name: found[0], value: found[1] };
  } catch {
    return undefined;
  }
}

/** `"03"` or `"04"`, or nothing and a finding that says what the text seems to be instead. */
export function versionOf(text, findings) {
  const found = whatElse(text);
  if (!found) return text.slice(0, 2);
  findings.push(found);
  return undefined;
}

function whatElse(text) {
  if (utf8(text).length < 2) return finding("empty", "There is no token.", "Ask your backend for a token before logging in, and check that its answer was read from the right member.");
  // No token can have these forms: a token's base64 has a length that is a multiple of four.
  if (/^[0-9a-f]{64}$/i.test(text)) return finding("app_sign_given", "This is an AppSign (64 hexadecimal characters), not a token.", "Mint a token on your backend with the server secret and pass that. The AppSign belongs in the client's configuration.");
  // A token cut to 32 characters would look the same, but for its expiry, which begins with zeros.
  if (/^[0-9a-z]{32}$/i.test(text) && !text.startsWith("AAAA", 2)) return finding("secret_given", "This looks like a server secret (32 characters), not a token.", "Mint a token with the secret on your backend and pass the token. If this secret ever reached a client or a log, replace it.");
  if (text.startsWith("eyJ") && text.split(".").length > 2) return finding("jwt_given", "This is a JSON Web Token, not a room token.", "Exchange it at your backend: that verifies the JWT and mints a room token (which begins with 04).");
  if (text.startsWith("AAAA")) return finding("version_missing", "The token lacks its first two characters.", "The version 04 in front of the base64 is part of the token: pass both.");
  if (text.startsWith("rp_")) return finding("key_given", "This is a backend key, not a token.", "Keep it on your backend, which mints tokens with it. If it ever reached a client, end it and make another.");
  if (/^0[34]/.test(text)) return undefined;
  return finding("version_unknown", `The token begins with ${JSON.stringify(Array.from(text).slice(0, 2).join(""))}; the known versions are 04 and 03.`, "Mint a token04. If this came from your backend, check that it returned a token and not an error text.");
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES = new Map(Array.from(ALPHABET, (character, value) => [character, value]));

/** Decodes up to the first character that is not base64; says which that is and where it stands. */
export function decodeBase64(encoded) {
  const content = encoded.replace(/=+$/, "");
  const characters = Array.from(content);
  const bad = characters.findIndex((character) => !VALUES.has(character));
  const sound = bad < 0 ? characters : characters.slice(0, bad);
  const bytes = new Uint8Array(Math.floor((sound.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of sound) {
    bits = ((bits << 6) | VALUES.get(character)) & 0xffffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      if (at < bytes.length) bytes[at++] = (bits >> held) & 0xff;
    }
  }
  // Bytes of UTF-8 are counted, as everywhere else.
  const offset = bad < 0 ? 0 : utf8(characters.slice(0, bad).join("")).length;
  return { bytes, foreign: bad < 0 ? undefined : { at: offset, character: characters[bad] } };
}

/** The one text of base64 that these bytes have. */
export function encodeBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const left = bytes.length - at;
    text += ALPHABET[group >> 18] + ALPHABET[(group >> 12) & 63] + (left > 1 ? ALPHABET[(group >> 6) & 63] : "=") + (left > 2 ? ALPHABET[group & 63] : "=");
  }
  return text;
}

/** The body is whole, but its text is not the one that encoding it gives. */
export function canonicalFault(token, canonical) {
  if (token === canonical) return undefined;
  const [content, wanted] = [token.replace(/=+$/, ""), canonical.replace(/=+$/, "")];
  const [found, needed] = [token.length - content.length, canonical.length - wanted.length];
  if (content !== wanted) return finding("base64", "The last character of the base64 holds bits that belong to no byte.", "The end of the token was changed: copy it again from where it was minted.");
  return found < needed
    ? finding("padding_missing", `The token ends with ${found} of ${needed} '=' of base64 padding.`, "Encode with padding, and do not strip '=' from a token.")
    : finding("padding_surplus", `The token ends with ${found} '=' where ${needed} belong.`, "Pass the token as it was minted, with nothing added at its end.");
}
