// The parts of a page.

import { html, classes, useRef } from "../lib/view.js";

/** The heading of a page, with what can be done on it. */
export function PageHead({ title, about, children }) {
  return html`<div class="page-head"><div><h1 tabindex="-1">${title}</h1>${about && html`<p class="about">${about}</p>`}</div>
    ${children && html`<div class="actions">${children}</div>`}</div>`;
}

/** A part of a page with a heading of its own. */
export function Card({ title, about, actions, children, class: more, level = 2 }) {
  return html`<section class=${classes("card", more)}>
    ${title && html`<header><div>${level === 3 ? html`<h3>${title}</h3>` : html`<h2>${title}</h2>`}${about && html`<p class="about">${about}</p>`}</div>${actions && html`<div class="actions">${actions}</div>`}</header>`}
    ${children}
  </section>`;
}

/** Parts of a page of which one is shown; `tabs` are `[value, text]`. */
export function Tabs({ label, tabs, value, onValue, children }) {
  const list = useRef();
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = (tabs.findIndex(([of]) => of === value) + step + tabs.length) % tabs.length;
    onValue(tabs[at][0]);
    list.current.children[at].focus();
  };
  return html`<div>
    <div class="tabs" role="tablist" aria-label=${label} ref=${list} onKeyDown=${move}>${tabs.map(([of, text]) => html`<button type="button" role="tab" key=${of}
      aria-selected=${of === value ? "true" : "false"} tabindex=${of === value ? 0 : -1} onClick=${() => onValue(of)}>${text}</button>`)}</div>
    <div role="tabpanel" aria-label=${tabs.find(([of]) => of === value)?.[1]} tabindex="0" class="panel">${children}</div>
  </div>`;
}

/** How a whole is divided: `parts` are `{ label, value, kind }`. */
export function Shares({ label, parts }) {
  const whole = parts.reduce((sum, part) => sum + part.value, 0);
  const percent = (part) => (whole ? Math.round((100 * part.value) / whole) : 0);
  const told = parts.map((part) => `${part.label} ${percent(part)} %`).join(", ");
  return html`<div class="shares">
    <div class="bar" role="img" aria-label=${`${label}: ${told}`}>${parts.filter((part) => part.value > 0).map((part) => html`<span key=${part.label} class=${part.kind} style=${{ flexGrow: part.value }}></span>`)}</div>
    <ul>${parts.map((part) => html`<li key=${part.label}><span class=${classes("dot", part.kind)} aria-hidden="true"></span>${part.label} <b>${percent(part)} %</b> <span class="soft">${new Intl.NumberFormat().format(part.value)}</span></li>`)}</ul>
  </div>`;
}
