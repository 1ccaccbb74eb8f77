// What stands around every page: the navigation, who is signed in, and how it looks.

import { html, classes, useEffect, useRef, useState } from "./lib/view.js";
import { get } from "./api.js";
import { everywhere, inApp } from "./nav.js";
import { go, href } from "./router.js";
import { can, roleOf, signOut } from "./session.js";
import { Badge, Button, Icon, toast } from "./ui/kit.js";

const THEMES = { auto: "System", light: "Light", dark: "Dark" };
/** Read by `theme.js` too, before there is anything else. */
const THEME = "roompass-theme";
const ICON = new URL("icon.svg", import.meta.url).href;

function setTheme(name) {
  if (name === "light" || name === "dark") document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
}

const Brand = () => html`<a class="brand" href=${href("/")}><img src=${ICON} alt="" width="24" height="24" /> Roompass</a>`;

/** The frame of pages for those who are not signed in. */
export const Plain = ({ children }) => html`<div class="plain"><header><${Brand} /></header><main id="main">${children}</main></div>`;

/** The frame of every other page. */
export function Frame({ place, session, appId, app, children }) {
  const [open, setOpen] = useState(false);
  const [isDev, setDev] = useState(false);
  const button = useRef();
  useEffect(() => setOpen(false), [place.path]);
  useEffect(() => void get("/healthz").then(({ dev }) => setDev(Boolean(dev)), () => {}), []);
  const close = (event) => {
    if (event.key !== "Escape" || !open) return;
    setOpen(false);
    button.current?.querySelector("button")?.focus();
  };
  return html`<div class=${classes("frame", open && "open")} onKeyDown=${close}>
    <a class="skip" href="#main">To the page</a>
    <header class="top" ref=${button}>
      <${Button} kind="quiet" icon="menu" label="Navigation" aria-expanded=${open ? "true" : "false"} aria-controls="side" onClick=${() => setOpen(!open)} />
      <${Brand} />
      ${app && html`<span class="where">${app.settings.name}</span>`}
    </header>
    <div class="shade" onClick=${() => setOpen(false)}></div>
    <aside class="side" id="side" aria-label="Sidebar">
      <${Brand} />
      <nav aria-label="Console">${appId === undefined ? html`<${General} place=${place} session=${session} />` : html`<${OfApp} place=${place} appId=${appId} app=${app} session=${session} />`}</nav>
      <${Person} session=${session} place=${place} isDev=${isDev} />
    </aside>
    <main id="main">${children}</main>
  </div>`;
}

function Line({ label, to, icon, path }) {
  const here = path === to;
  return html`<li><a href=${href(to)} aria-current=${here ? "page" : undefined}><${Icon} name=${icon} />${label}</a></li>`;
}

function General({ place, session }) {
  const shown = everywhere.filter(({ needs }) => !needs || can(needs, undefined, session));
  return html`<ul>${shown.map((item) => html`<${Line} key=${item.at} ...${item} to=${item.at} path=${place.path} />`)}</ul>`;
}

function OfApp({ place, appId, app, session }) {
  const root = `/apps/${appId}`;
  const mayChange = can("admin", appId, session);
  return html`<a class="up" href=${href("/")}><${Icon} name="back" />All apps</a>
    <div class="this-app"><b title=${app?.settings.name}>${app?.settings.name ?? "…"}</b>
      <span class="mono soft">${appId}</span>
      ${app?.settings.enabled === false && html`<${Badge} kind="bad">off<//>`}
      ${!mayChange && html`<${Badge}>read-only<//>`}</div>
    ${inApp.map(({ label, items }, at) => html`<div key=${at}>
      ${label && html`<h2>${label}</h2>`}
      <ul>${items.map((item) => html`<${Line} key=${item.at} ...${item} to=${root + item.at} path=${place.path} />`)}</ul>
    </div>`)}`;
}

function Person({ session, place, isDev }) {
  const [theme, choose] = useState(localStorage.getItem(THEME) ?? "auto");
  const change = (name) => {
    if (name === "auto") localStorage.removeItem(THEME);
    else localStorage.setItem(THEME, name);
    setTheme(name);
    choose(name);
  };
  const leave = async () => {
    try {
      await signOut();
      go("/sign-in", { replace: true });
    } catch (error) {
      toast(error.message, { bad: true });
    }
  };
  const role = roleOf(session.roles) ?? "single apps";
  return html`<div class="person">
    ${isDev && html`<p class="dev"><${Badge} kind="warn">development server<//></p>`}
    <a class="me" href=${href("/account")} aria-current=${place.path === "/account" ? "page" : undefined}><${Icon} name="account" /><span><b>${session.name}</b><span class="soft">${role}</span></span></a>
    <div class="row">
      <label class="theme"><${Icon} name="theme" /><span class="hidden">Appearance</span>
        <select value=${theme} onChange=${(event) => change(event.target.value)}>${Object.entries(THEMES).map(([name, text]) => html`<option key=${name} value=${name} selected=${name === theme}>${text}</option>`)}</select></label>
      <${Button} kind="quiet" small icon="out" onClick=${leave}>Sign out<//>
    </div>
  </div>`;
}
