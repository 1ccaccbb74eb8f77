// Begins: finds out who is signed in, and shows the page that the address names.

import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./lib/view.js";
import { get, url } from "./api.js";
import { Frame, Plain } from "./frame.js";
import { go, href, match, present, usePlace } from "./router.js";
import { routes } from "./routes.js";
import { can, connect, find, useSession } from "./session.js";
import { Button, Empty, Failed, Loading, NoPermission, Questions, Toasts } from "./ui/kit.js";
import { Prove, askToProve } from "./prove.js";

connect(askToProve);

// Under way before anything is drawn: who is signed in, and the page that they want to see. If that fails, whoever waits
// for it says so.
const asked = find();
asked.catch(() => {});
match(routes, present().path)?.route.load().catch(() => {});

function Console() {
  const session = useSession();
  const place = usePlace();
  const [fault, setFault] = useState();
  const begun = (finding) => finding.then(() => setFault(undefined), setFault);
  useEffect(() => void begun(asked), []);

  const found = match(routes, place.path);
  const isPublic = found?.route.public;
  useEffect(() => {
    if (session === null && !isPublic) {
      const next = place.path === "/" ? "" : `?next=${encodeURIComponent(place.path)}`;
      go(`/sign-in${next}`, { replace: true });
    }
  }, [session, isPublic, place.path]);

  let inside;
  if (fault) inside = html`<${Plain}><${Failed} page title="The console cannot start" error=${fault} retry=${() => begun(find())} /><//>`;
  else if (session === undefined || (session === null && !isPublic)) inside = html`<${Plain}><${Loading} /><//>`;
  else if (isPublic) inside = html`<${Plain}><${Page} key=${place.path} found=${found} place=${place} /><//>`;
  else inside = html`<${Inside} found=${found} place=${place} session=${session} />`;
  return html`${inside}<${Questions} /><${Prove} /><${Toasts} />`;
}

/** What those see who are signed in: the frame, and in it the page, with the app that it is about. */
function Inside({ found, place, session }) {
  const appId = found?.params.appId;
  const [state, setState] = useState({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (appId === undefined) return setState({});
    let current = true;
    if (state.app?.app_id !== Number(appId)) setState({});
    get(url`/v1/apps/${appId}`).then(
      ({ app }) => current && setState({ app }),
      (error) => current && setState({ error }),
    );
    return () => void (current = false);
  }, [appId, turn]);

  const app = state.app?.app_id === Number(appId) ? state.app : undefined;
  const allowed = !found?.route.needs || can(found.route.needs, appId, session);
  let inside;
  if (!found) inside = html`<${NotFound} />`;
  else if (!allowed) inside = html`<${NoPermission} page needs=${found.route.needs} />`;
  else if (appId === undefined) inside = html`<${Page} key=${place.path} found=${found} place=${place} />`;
  else if (state.error) inside = html`<${Failed} page title="This app cannot be shown" error=${state.error} retry=${() => setTurn(turn + 1)} />`;
  else if (!app) inside = html`<${Loading} rows=${5} />`;
  else inside = html`<${Page} key=${place.path} found=${found} place=${place} app=${app} setApp=${(app) => setState({ app })} reloadApp=${() => setTurn(turn + 1)} />`;
  return html`<${Frame} place=${place} session=${session} appId=${appId} app=${app}>${inside}<//>`;
}

/** One page, loaded when it is first opened. */
function Page({ found, place, ...more }) {
  const [module, setModule] = useState();
  const [error, forget] = useErrorBoundary((error) => console.error(error.message));
  const area = useRef();
  useEffect(() => {
    let current = true;
    found.route.load().then(
      (module) => current && setModule(module),
      (error) => current && setModule({ error }),
    );
    return () => void (current = false);
  }, [found.route]);
  const title = module && (typeof module.title === "function" ? module.title(found.params) : module.title);
  useEffect(() => {
    if (!title) return undefined;
    document.title = `${title} · ${more.app ? `${more.app.settings.name} · ` : ""}Roompass`;
    const isFirst = !visited;
    visited = true;
    // Whoever uses a screen reader hears where they have got to; not at the first page, which is read anyway. The heading
    // may come only with what is loaded, and by then somebody may have gone on to something else.
    const focus = () => {
      const found = area.current?.querySelector(isFirst ? "[autofocus]" : "[autofocus], h1");
      if (found && !area.current.contains(document.activeElement)) found.focus({ preventScroll: true });
      return Boolean(found) || isFirst;
    };
    if (focus()) return undefined;
    const watcher = new MutationObserver(() => focus() && watcher.disconnect());
    watcher.observe(area.current, { childList: true, subtree: true });
    return () => watcher.disconnect();
  }, [title]);
  if (error) return html`<${Failed} page title="This page has failed" error=${error} retry=${forget} />`;
  if (!module) return html`<${Loading} rows=${5} />`;
  if (module.error) return html`<${Failed} page title="This page could not be loaded" error=${module.error} retry=${() => location.reload()} />`;
  return html`<div ref=${area} class="page"><${module.default} params=${found.params} query=${place.query} ...${more} /></div>`;
}

let visited = false;

const NotFound = () => html`<${Empty} page title="There is no such page" action=${html`<${Button} href=${href("/")}>All apps<//>`}>The address may be mistyped, or of another version of the console.<//>`;

render(html`<${Console} />`, document.getElementById("console"));
