// Tables, and lists that come page by page from the server.

import { html, classes, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../lib/view.js";
import { Button } from "./button.js";
import { Icon } from "./icons.js";
import { Empty, Failed, Loading } from "./states.js";

/**
 * Rows in columns of `{ label, cell, wide, end, sort }`. On a narrow screen each row is a card. `href(row)` makes the
 * first cell a link. A column with `sort` (a value of a row) can be sorted by; the label of a `bare` one is not seen.
 */
export function Table({ label, columns, rows, keyOf, href, selected }) {
  const [order, setOrder] = useState(null);
  const sorted = order ? sort(rows, columns[order.at].sort, order.down) : rows;
  const turn = (at) => setOrder(order?.at === at ? (order.down ? null : { at, down: true }) : { at, down: false });
  const head = (column, at) => html`<th scope="col" key=${at} class=${classes(column.end && "end")} aria-sort=${order?.at === at ? (order.down ? "descending" : "ascending") : undefined}>
    ${column.sort ? html`<button type="button" class="sort" onClick=${() => turn(at)}>${column.label}<span aria-hidden="true">${order?.at === at ? (order.down ? " ↓" : " ↑") : ""}</span></button>` : column.bare ? html`<span class="hidden">${column.label}</span>` : column.label}</th>`;
  return html`<div class="table-frame"><table class="table" aria-label=${label}>
    <thead><tr>${columns.map(head)}</tr></thead>
    <tbody>${sorted.map((row) => html`<tr key=${keyOf(row)} class=${classes(href && "opens", selected?.(row) && "selected")}>
      ${columns.map((column, at) => html`<td key=${at} data-label=${column.bare ? undefined : column.label} class=${classes(column.end && "end", column.wide && "wide")}>
        <div>${at === 0 && href ? html`<a href=${href(row)}>${column.cell(row)}</a>` : column.cell(row)}</div></td>`)}
    </tr>`)}</tbody>
  </table></div>`;
}

function sort(rows, value, down) {
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a ?? "").localeCompare(String(b ?? "")));
  return [...rows].sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b)));
}

/**
 * Loads something now and whenever `inputs` change: `{ value, error, loading, reload, follow }`. The last value stays
 * meanwhile. `follow(isWanted)` is for what is loaded again by itself: not while something is under way, and what comes of it
 * is only shown if it is still wanted then. An error stays as long as nothing else is known.
 */
export function useLoad(load, inputs) {
  const asked = useMemo(() => ({}), inputs);
  const [state, setState] = useState({});
  const turn = useRef(0);
  const isUnderWay = useRef(false);
  const ask = useCallback(async (isWanted) => {
    const mine = ++turn.current;
    isUnderWay.current = true;
    const ended = (next) => {
      if (mine !== turn.current) return;
      isUnderWay.current = false;
      setState((before) => (isWanted() ? { asked, ...next(before) } : { ...before, loading: false }));
    };
    setState((before) => ({ ...before, loading: true }));
    try {
      const value = await load();
      ended(() => ({ value }));
    } catch (error) {
      ended(({ value }) => ({ value, error }));
    }
  }, inputs);
  const reload = useCallback(() => ask(() => true), [ask]);
  const follow = useCallback((isWanted = () => true) => isUnderWay.current || ask(isWanted), [ask]);
  useEffect(() => {
    reload();
    return () => void turn.current++;
  }, [reload]);
  // From when something else is asked for, not only once that has begun.
  return { value: state.value, error: state.error, loading: Boolean(state.loading) || state.asked !== asked, reload, follow };
}

/** A list by pages: `fetchPage(cursor)` gives `{ rows, cursor }`. Begins again when `inputs` change. */
export function usePages(fetchPage, inputs) {
  const asked = JSON.stringify(inputs);
  const [state, setState] = useState({ asked, cursors: [undefined] });
  const cursors = state.asked === asked ? state.cursors : [undefined];
  const setCursors = (cursors) => setState({ asked, cursors });
  const at = cursors.at(-1);
  const name = `${asked} ${at}`;
  const page = useLoad(async () => ({ ...(await fetchPage(at)), name }), [asked, at]);
  // Said once for each search and page, not whenever the same is loaded again.
  const said = useRef({});
  if (page.value?.name === name && said.current.name !== name) {
    const { rows, cursor } = page.value;
    said.current = { name, text: `${rows.length} ${rows.length === 1 ? "line" : "lines"} on page ${cursors.length}${cursor ? ", and more on the next" : ""}` };
  }
  return {
    ...page,
    said: said.current.text,
    rows: page.value?.rows,
    number: cursors.length,
    next: page.value?.cursor ? () => setCursors([...cursors, page.value.cursor]) : undefined,
    previous: cursors.length > 1 ? () => setCursors(cursors.slice(0, -1)) : undefined,
  };
}

/** The table of a list by pages, in every state. `empty` is what to show where there is nothing at all. */
export function PagedTable({ pages, empty, ...table }) {
  if (pages.error) return html`<${Failed} error=${pages.error} retry=${pages.reload} />`;
  if (!pages.rows) return html`<${Loading} rows=${6} />`;
  if (!pages.rows.length && !pages.previous) return html`<div role="status">${empty ?? html`<${Empty} title="Nothing here" />`}</div>`;
  // To sort a part of what there is would say that there is no more.
  const isPart = pages.next || pages.previous;
  const columns = isPart ? table.columns.map(({ sort, ...column }) => column) : table.columns;
  return html`<div aria-busy=${pages.loading ? "true" : undefined}>
    <p class="hidden" role="status">${pages.said}</p>
    <${Table} ...${table} columns=${columns} rows=${pages.rows} />
    <${Pager} pages=${pages} />
  </div>`;
}

/** Forward and back. What leads no further keeps the focus, which it would lose if it were disabled. */
export function Pager({ pages }) {
  if (!pages.next && !pages.previous) return null;
  const end = (way) => (way ? undefined : "true");
  return html`<nav class="pager" aria-label="Pages">
    <${Button} small icon="back" aria-disabled=${end(pages.previous)} onClick=${pages.previous}>Previous<//>
    <span class="soft">Page ${pages.number}</span>
    <${Button} small aria-disabled=${end(pages.next)} onClick=${pages.next}>Next <${Icon} name="next" /><//>
  </nav>`;
}

/** A search box; `onValue` is called when typing pauses. */
export function Search({ label, value, onValue, placeholder }) {
  const [text, setText] = useState(value ?? "");
  const timer = useRef();
  const type = (next) => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onValue(next.trim()), 200);
  };
  // At once: what was typed must not be looked for on the next page.
  useLayoutEffect(() => () => clearTimeout(timer.current), []);
  return html`<div class="search" role="search"><${Icon} name="search" />
    <input class="input" type="search" aria-label=${label} placeholder=${placeholder ?? label} autocomplete="off" spellcheck="false" value=${text} onInput=${(event) => type(event.target.value)} /></div>`;
}
