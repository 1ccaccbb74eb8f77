// What a page shows while it waits, when there is nothing, when something failed, and when the role does not reach.

import { html, classes } from "../lib/view.js";
import { Button } from "./button.js";
import { Icon } from "./icons.js";

/** Something is on its way; `rows` are as many lines as are to come. */
export function Loading({ rows = 3, label = "Loading" }) {
  return html`<div class="loading" role="status" aria-label=${label}>${Array.from({ length: rows }, (_, at) => html`<div class="bone" key=${at}></div>`)}</div>`;
}

/** There is nothing here yet, and what to do about it. On a `page` of its own, this is its heading. */
export function Empty({ icon = "info", title, children, action, page }) {
  return html`<div class="state"><${Icon} name=${icon} size=${28} />${page ? html`<h1 tabindex="-1">${title}</h1>` : html`<h2>${title}</h2>`}${children && html`<p>${children}</p>`}${action}</div>`;
}

/** A page or a part of it could not be loaded. */
export function Failed({ error, retry, title = "This could not be loaded", page }) {
  if (error.status === 403) return html`<${NoPermission} error=${error} page=${page} />`;
  return html`<div class="state bad" role="alert"><${Icon} name="warning" size=${28} />${page ? html`<h1 tabindex="-1">${title}</h1>` : html`<h2>${title}</h2>`}<p>${error.message}</p>
    ${error.requestId && html`<p class="soft small">Request <code>${error.requestId}</code></p>`}
    ${retry && html`<${Button} icon="refresh" onClick=${retry}>Try again<//>`}</div>`;
}

/** The role does not reach here. */
export function NoPermission({ needs, error, page }) {
  return html`<${Empty} icon="bans" title="Your role does not reach here" page=${page}>${needs ? `This page needs the role ${needs}.` : error?.message} An owner can change what you may do.<//>`;
}

/** Something in a form or dialog failed. */
export function Fault({ error }) {
  return html`<p class="fault" role="alert"><${Icon} name="warning" /><span>${error.field && html`<code>${error.field}</code> `}${error.message}${error.requestId && html` <small class="soft">Request <code>${error.requestId}</code></small>`}</span></p>`;
}

/** A remark that matters: `kind` is `warn`, `bad`, `good` or nothing. */
export function Note({ kind, children, title }) {
  return html`<div class=${classes("note", kind)}><${Icon} name=${kind === "good" ? "check" : kind ? "warning" : "info"} /><div>${title && html`<b>${title}</b>`}${children}</div></div>`;
}
