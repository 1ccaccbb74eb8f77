// The fields of a token's body, read one by one until they end or break off.

import { finding } from "./text.js";

const GCM_IV = 12;
const CBC_IV = 16;
const TAG = 16;

const LABELS = {
  expire: "Expiry in clear",
  iv_len: "Length of the IV",
  iv: "IV",
  ct_len: "Length of the ciphertext",
  ciphertext: "Ciphertext",
  tag: "Authentication tag",
  mode: "Mode",
  trailing: "Left over",
};

/**
 * Reads `bytes` as far as they go: the fields, the format that they show (`token04-gcm`, `token04-cbc`, `token03`; of a broken
 * body the likeliest), and where they break off.
 */
export function layOut(version, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields = [];
  let at = 0;
  let format;
  const push = (name, length, meaning) => {
    fields.push({ name, label: LABELS[name], from: at, to: at + length, meaning });
    at += length;
  };
  /** Notes what there is of a field that is cut. */
  const cutIn = (field, length, wholeLength) => {
    const left = bytes.length - at;
    if (left >= length) return undefined;
    if (left > 0) push(field, left, `Breaks off here: ${left} of ${length} bytes.`);
    return { fields, format, cut: { field, wholeLength } };
  };

  let cut = cutIn("expire", 8);
  if (cut) return cut;
  push("expire", 8, "When it ends, in Unix seconds. Anybody can edit it; the sealed one must be the same.");
  if ((cut = cutIn("iv_len", 2))) return cut;
  const ivLength = view.getUint16(at);
  if (ivLength === GCM_IV && version === "04") format = "token04-gcm";
  if (ivLength === CBC_IV) format = version === "04" ? "token04-cbc" : "token03";
  push("iv_len", 2, format ? `${ivLength}, as ${format === "token04-gcm" ? "AES-GCM" : "AES-CBC"} needs.` : `${ivLength}, which is impossible: GCM needs 12, CBC 16.`);
  if ((cut = cutIn("iv", ivLength))) return cut;
  push("iv", ivLength, ivMeaning(bytes.subarray(at, at + ivLength)));
  if ((cut = cutIn("ct_len", 2))) return cut;
  const ciphertextLength = view.getUint16(at);
  const hasMode = format === "token04-gcm";
  push("ct_len", 2, `${ciphertextLength}${hasMode ? ", the tag included" : ""}.`);

  const wholeLength = at + ciphertextLength + (hasMode ? 1 : 0);
  if ((cut = cutIn("ciphertext", ciphertextLength, wholeLength))) return cut;
  if (hasMode && ciphertextLength >= TAG) {
    push("ciphertext", ciphertextLength - TAG, "The claims, sealed: app, user, times, payload.");
    push("tag", TAG, "Proves, with the secret, that nothing in the claims was changed.");
  } else {
    push("ciphertext", ciphertextLength, "The claims, padded and encrypted. Nothing proves that they were not changed.");
  }
  const left = bytes.length - at;
  if (left === 0 && hasMode) return { fields, format, cut: { field: "mode", wholeLength } };
  if (left === 1) push("mode", 1, modeMeaning(bytes[at], version));
  if (left > 1) push("trailing", left, `${left} bytes that belong to no field.`);
  return { fields, format, cut: undefined };
}

function modeMeaning(mode, version) {
  if (mode !== 1) return `${mode}: unknown.`;
  return version === "04" ? "1: AES-GCM." : "1: impossible in a token03.";
}

/** An IV of letters and digits comes from a generator that draws it from an alphabet: worth seeing. */
function ivMeaning(iv) {
  const isText = iv.length > 0 && iv.every((byte) => byte > 0x20 && byte < 0x7f);
  return isText ? `Random, drawn from text: “${String.fromCharCode(...iv)}”.` : "Random, new for each token.";
}

const CHANGED = "The text was changed on its way, or its generator does not follow the format. Copy it again from where it was minted and compare its length there and here.";

/** What the strict reader has against a body that is whole. */
export function strictFault(version, fields, bytes) {
  const length = (name) => fields.filter((field) => field.name === name).reduce((sum, { from, to }) => sum + to - from, 0);
  const left = length("trailing");
  if (left) return finding("trailing_bytes", `${left} bytes follow the last field.`, "Pass the token alone. If the generator wrote it so, its payload was longer than the format's 65,535 bytes and the length wrapped round: mint with a smaller payload.");
  const mode = fields.find((field) => field.name === "mode");
  if (mode && !(version === "04" && bytes[mode.from] === 1)) return finding("mode_byte", `The mode byte is ${bytes[mode.from]}.`, CHANGED);
  const [iv, sealed] = [length("iv"), length("ciphertext") + length("tag")];
  if (iv !== (mode ? GCM_IV : CBC_IV)) return finding("iv_length", `The IV has ${iv} bytes.`, CHANGED);
  const isPossible = mode ? sealed > TAG : sealed >= 16 && sealed % 16 === 0;
  if (isPossible) return undefined;
  const isEmpty = sealed === TAG ? "Nothing is sealed inside: the generator failed to write the claims (PHP does so for a user id that is not UTF-8). Pass it ids in UTF-8." : CHANGED;
  return finding("ciphertext_length", `A ciphertext of ${sealed} bytes is impossible for this cipher.`, isEmpty);
}
