// The map of a token: its text and its bytes, coloured by what they are for. Pointing at a field, or stepping to it, shows
// where it is.

import { html, classes, useState } from "../../lib/view.js";

/** So many bytes of one field are shown at first: the ciphertext of a large token is no picture. */
const AT_FIRST = 512;
const SHOWN_TEXT = 1200;

export function Bytes({ seen }) {
  const [over, setOver] = useState();
  const [pinned, setPinned] = useState();
  const [whole, setWhole] = useState(false);
  const lit = over ?? pinned;
  const { fields, body, version } = seen;
  const [token, info] = halves(seen.repaired ?? seen.text);
  const shown = whole ? body.length : Math.min(body.length, AT_FIRST);
  const watch = (name) => ({ onMouseEnter: () => setOver(name), onMouseLeave: () => setOver(undefined) });
  const mark = (name) => classes("part", name, lit && lit !== name && "dim");
  return html`<div class="bytes">
    <div class="token-text mono" aria-hidden="true">
      <span class=${mark("version")} ...${watch("version")}>${version}</span>${runs(fields, body.length).map(({ name, from, to }) => html`<span key=${name} class=${mark(name)} ...${watch(name)}>${token.slice(2 + from, 2 + Math.min(to, whole ? Infinity : SHOWN_TEXT))}</span>`)}${token.length > SHOWN_TEXT && !whole && "…"}${info !== undefined && html`<span class=${mark("kit")} ...${watch("kit")}>#${info}</span>`}
    </div>
    <div class="beside"><div class="dump mono" aria-hidden="true">${Array.from({ length: Math.ceil(shown / 16) }, (_, row) => html`<div class="dump-row" key=${row}>
      <span class="offset">${(row * 16).toString(16).padStart(4, "0")}</span>
      <span class="sixteen">${hexRow(fields, body, row * 16, shown).map(({ at, name, text }) => html`<span key=${at} class=${mark(name)} ...${watch(name)}>${text}</span>`)}</span>
    </div>`)}${body.length > shown && html`<p class="more">… and ${body.length - shown} more bytes</p>`}</div>
    <ul class="legend" aria-label="Fields of the token">
      <${Line} name="version" label="Version" where="before the bytes" value=${version} meaning=${`Not part of the base64. token${version}.`} pinned=${pinned} pin=${setPinned} watch=${watch} />
      ${fields.map((field) => html`<${Line} key=${field.name} name=${field.name} label=${field.label} where=${`bytes ${field.from} to ${field.to - 1}`} value=${valueOf(field, body)} meaning=${field.meaning} pinned=${pinned} pin=${setPinned} watch=${watch} />`)}
      ${info !== undefined && html`<${Line} name="kit" label="Readable half" where="after the #" value=${seen.kit ? "room, user, name, app" : ""} meaning="Not sealed: anybody can change it. Hints, never a permission." pinned=${pinned} pin=${setPinned} watch=${watch} />`}
    </ul></div>
    ${body.length > shown && html`<p><button type="button" class="link" onClick=${() => setWhole(true)}>Show all ${body.length} bytes</button></p>`}
  </div>`;
}

/** A Kit Token's token and its readable half; a plain token has none. */
function halves(text) {
  const at = text.indexOf("#");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function Line({ name, label, where, value, meaning, pinned, pin, watch }) {
  return html`<li><button type="button" aria-pressed=${pinned === name ? "true" : "false"} ...${watch(name)} onFocus=${() => pin(name)} onClick=${() => pin(name)}>
    <span class=${classes("swatch", name)} aria-hidden="true"></span>
    <span class="what"><b>${label}</b> <span class="soft">${where}</span></span>
    <span class="mono value">${value}</span>
    <span class="meaning">${meaning}</span>
  </button></li>`;
}

/** What a field says, or its bytes, cut where they are many. */
function valueOf({ name, from, to }, body) {
  const bytes = body.subarray(from, to);
  if (name === "expire" && bytes.length === 8) return String(new DataView(bytes.slice().buffer).getBigInt64(0));
  if ((name === "iv_len" || name === "ct_len") && bytes.length === 2) return String(bytes[0] * 256 + bytes[1]);
  if (name === "mode") return String(bytes[0]);
  return hex(bytes.subarray(0, 16)) + (bytes.length > 16 ? ` … (${bytes.length} bytes)` : "");
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** The characters of base64 that belong to each field: one that holds bits of two counts to the first. */
function runs(fields, length) {
  const character = (byte) => Math.ceil((byte * 4) / 3);
  return fields.map(({ name, from, to }) => ({ name, from: character(from), to: to === length ? Infinity : character(to) }));
}

/** The bytes of a row of the dump, those of one field together. */
function hexRow(fields, body, from, end) {
  const to = Math.min(from + 16, end);
  return fields
    .filter((field) => field.from < to && field.to > from)
    .map((field) => {
      const [begin, stop] = [Math.max(from, field.from), Math.min(to, field.to)];
      return { at: begin, name: field.name, text: hex(body.subarray(begin, stop)) };
    });
}
