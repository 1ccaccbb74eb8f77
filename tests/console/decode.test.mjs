// What the console shows of a token without its secret, against the shared vectors and the faults that people make.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const { decode } = await import(new URL("../../server/console/lib/decode.js", import.meta.url));

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../token-gen/tests/vectors/${name}.json`, import.meta.url)));
const codes = (text, now) => decode(text, now).findings.map(({ code }) => code);
const hex = (bytes) => Buffer.from(bytes).toString("hex");

/** The worked example of the format's description. */
const GCM = "04AAAAAGsETAAADEcIZ4GpUR9iotekbAB0kT2WJg/tfH2Qu2Y1l3TmuDR91jAHVp/sFFSIVCDuIRGtUljOjGkoFPzbvG5y7QlpGMf9XhVs9bcKfIOeWYDea5PUv99EOKPGnuFhtEasamJb/LDhI2GSVl0mv6WR8plKSZhXn0MI5T+Heq4qoNkleEnfuxwB";
const KIT = `${GCM}#eyJ1c2VySUQiOiJ1c2VyMSIsInJvb21JRCI6InJvb20xIiwidXNlck5hbWUiOiJBbGljZSIsImFwcElEIjoxfQ==`;
const MINTED = 1_795_440_112;

test("a sound token shows every byte, and what each is for", () => {
  const seen = decode(GCM, MINTED);
  assert.deepEqual(seen.findings, []);
  assert.deepEqual([seen.version, seen.format, seen.expireAt, seen.repaired], ["04", "token04-gcm", 1_795_443_712, undefined]);
  assert.deepEqual(
    seen.fields.map(({ name, from, to }) => [name, from, to]),
    [["expire", 0, 8], ["iv_len", 8, 10], ["iv", 10, 22], ["ct_len", 22, 24], ["ciphertext", 24, 124], ["tag", 124, 140], ["mode", 140, 141]],
  );
  assert.ok(seen.fields.every(({ label, meaning }) => label && meaning));
});

test("every token of the public generators is read whole", () => {
  const all = [...vectors("reference-tokens"), ...vectors("oversize-tokens")];
  assert.ok(all.length > 300);
  for (const { id, token, format, cipher, verify_at: now, expect } of all) {
    const seen = decode(token, now);
    assert.deepEqual(seen.findings, [], id);
    assert.equal(seen.format, format === "token03" ? "token03" : `token04-${cipher}`, id);
    assert.equal(seen.expireAt, expect.expire, id);
    const field = (name) => seen.fields.find((field) => field.name === name);
    const bytes = ({ from, to }) => seen.body.subarray(from, to);
    assert.equal(hex(bytes(field("iv"))), expect.iv_hex, id);
    assert.equal(field("mode") ? bytes(field("mode"))[0] : null, expect.mode_byte, id);
    assert.equal(seen.fields.reduce((at, { from, to }) => (assert.equal(from, at, id), to), 0), seen.body.length, id);
    const kit = expect.kit && [expect.kit.appID, expect.kit.userID, expect.kit.roomID ?? undefined, expect.kit.userName];
    assert.deepEqual(seen.kit && [seen.kit.appId, seen.kit.userId, seen.kit.roomId, seen.kit.userName], kit ?? undefined, id);
  }
});

test("every token whose form is broken is told so, and no other", () => {
  for (const { id, token, expect, stage } of vectors("invalid-tokens")) {
    const isOfForm = ["malformed", "wrong_version"].includes(expect) && stage === "verify";
    // A Kit Token without its second half is a sound token.
    const isSound = !isOfForm || id === "dev-bad-kit-no-hash";
    assert.equal(codes(token).length === 0, isSound, `${id}: ${codes(token)}`);
  }
});

test("what people make of tokens is named and, where that is certain, undone", () => {
  const half = Math.floor(GCM.length / 2);
  const planted = [
    ["white space around", ` ${GCM}\n`, "surrounding_white_space", GCM],
    ["wrapped at 76 columns", `${GCM.slice(0, 76)}\n${GCM.slice(76)}`, "line_breaks", GCM],
    ["quotes around", `"${GCM}"`, "quoted", GCM],
    ["the JSON around it", JSON.stringify({ token: GCM, ttl: 60 }), "json_given", GCM],
    ["an authorization scheme", `Bearer ${GCM}`, "scheme_prefix", GCM],
    ["URL-encoded", encodeURIComponent(KIT), "percent_encoded", KIT],
    ["+ became a space", GCM.replaceAll("+", " "), "plus_became_space", GCM],
    ["the alphabet of URLs", GCM.replaceAll("+", "-").replaceAll("/", "_"), "url_safe_alphabet", GCM],
    ["padding lost", vectors("invalid-tokens").find(({ id }) => id === "dev-bad-no-padding").token, "padding_missing"],
    ["cut", GCM.slice(0, half), "truncated"],
    ["cut inside the expiry", GCM.slice(0, 9), "truncated"],
    ["a foreign character", GCM.replace("k", "é"), "base64"],
    ["a wrong length", vectors("invalid-tokens").find(({ id }) => id === "dev-bad-ct-len-short").token, "trailing_bytes"],
    ["an IV of no cipher", vectors("invalid-tokens").find(({ id }) => id === "dev-bad-iv-len-15").token, "iv_length"],
    ["another version", `05${GCM.slice(2)}`, "version_unknown"],
    ["no version", GCM.slice(2), "version_missing"],
    ["two tokens", `${GCM}\n${GCM}`, "several_tokens", GCM],
    ["two tokens without a gap", GCM + GCM, "several_tokens", GCM],
    ["a broken kit part", `${GCM}#eyJ1c2VySUQi`, "kit_info"],
    ["a kit part cut off", `${GCM}#`, "kit_separator"],
    ["a JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "jwt_given"],
    ["an AppSign", "04".repeat(32), "app_sign_given"],
    ["a server secret", "fa94dd0f974cf2e293728a526b028271", "secret_given"],
    ["a backend key", "rp_uaiXsS6eQDCl_0123456789abcdef", "key_given"],
    ["nothing", "  ", "empty"],
    ["something else", "<html>502 Bad Gateway</html>", "version_unknown"],
  ];
  for (const [what, text, code, repaired] of planted) {
    const { findings, repaired: found } = decode(text);
    assert.ok(findings.some((finding) => finding.code === code), `${what}: ${findings.map(({ code }) => code)}`);
    assert.ok(findings.every(({ problem, remedy }) => problem.endsWith(".") && remedy.endsWith(".")), what);
    if (repaired) assert.equal(found, repaired, what);
  }
});

test("the expiry in clear is held against the server's clock", () => {
  assert.deepEqual(codes(GCM, 1_795_443_711), []);
  assert.deepEqual(codes(GCM, 1_795_443_712), ["expired"]);
  const inMilliseconds = vectors("invalid-tokens").find(({ id }) => id === "dev-bad-outer-ms").token;
  assert.deepEqual(codes(inMilliseconds, MINTED), ["expiry_in_milliseconds"]);
  const negative = vectors("invalid-tokens").find(({ id }) => id === "dev-bad-outer-neg").token;
  assert.deepEqual(codes(negative, MINTED), ["expired"]);
});

test("no text is too odd", () => {
  for (const text of ["", "0", "04", "04=", "04====", "04é", "é", "#", "04#", "04#a#b", "\ufeff", "04\0", '"', "Bearer ", "{}", '{"token":1}', "04\ud83d", "%"]) {
    assert.ok(codes(text).length > 0, JSON.stringify(text));
  }
  for (let length = 0; length < GCM.length; length++) {
    const seen = decode(GCM.slice(0, length));
    assert.ok(seen.findings.length > 0, `${length}`);
    const read = seen.fields.reduce((sum, { from, to }) => sum + to - from, 0);
    assert.ok(!seen.version || read === Math.floor(((length - 2) * 3) / 4), `${length}`);
  }
  assert.deepEqual(codes(`04${"A".repeat(2_000_000)}`), ["too_long"]);
});
