// How the node that answers does: rates, times, what is so now, and which other nodes there are.

import { html, useCallback, useEffect, useMemo, useRef, useState } from "../lib/view.js";
import { get } from "../api.js";
import { duration, now } from "../lib/time.js";
import { Badge, Card, Failed, Loading, PageHead, Select, Shares, count } from "../ui/kit.js";
import { Chart } from "../ui/chart.js";
import { Fresh } from "../ui/fresh.js";
import { Nodes } from "./statistics/nodes.js";

export const title = "Statistics";

/** Samples come every ten seconds. */
const EVERY_MS = 10_000;
const KEPT = 720;
const RANGES = [["900", "Last 15 minutes"], ["3600", "Last hour"], ["7200", "Last two hours"]];

export default function Statistics() {
  const { value, error, reload, follow } = useSamples();
  const [range, setRange] = useState("900");
  if (error && !value) return html`<${PageHead} title="Statistics" /><${Failed} error=${error} retry=${reload} />`;
  if (!value) return html`<${PageHead} title="Statistics" /><${Loading} rows=${6} />`;
  return html`
    <${PageHead} title="Statistics" about=${html`Of the node <span class="mono">${value.node.node_id}</span>, version ${value.node.version}, up for ${duration(now() - value.node.started_at)}. Prometheus has more, for longer, of all nodes.`}>
      <${Fresh} at=${value.server_time} reload=${reload} follow=${follow} everyMs=${EVERY_MS} />
    <//>
    <${Tiles} value=${value} />
    <div class="filters"><${Select} label="Time" value=${range} options=${RANGES} onValue=${setRange} /></div>
    <${Charts} samples=${value.samples} range=${Number(range)} />
    <${Ring} totals=${value.totals} />
    <${Nodes} />`;
}

/** The node's numbers, with the samples that come after those there are. */
function useSamples() {
  const [state, setState] = useState({});
  const held = useRef();
  const asking = useRef(false);
  const follow = useCallback(async (isWanted) => {
    // What is asked for twice would be there twice.
    if (asking.current) return;
    asking.current = true;
    try {
      const answer = await get("/v1/statistics", { since: held.current?.samples.at.at(-1) });
      if (!isWanted()) return;
      held.current = { ...answer, samples: joined(held.current, answer) };
      setState({ value: held.current });
    } catch (error) {
      if (isWanted()) setState({ value: held.current, error });
    } finally {
      asking.current = false;
    }
  }, []);
  const reload = useCallback(() => follow(() => true), [follow]);
  useEffect(() => void reload(), []);
  return { ...state, reload, follow };
}

/** Columns with what has come after them; those of another process are left. */
function joined(before, { node, samples }) {
  if (!before || before.node.node_id !== node.node_id) return samples;
  const entries = Object.entries(samples).map(([name, values]) => [name, [...before.samples[name], ...values].slice(-KEPT)]);
  return Object.fromEntries(entries);
}

const rate = (value) => (value >= 10 || value === 0 ? count(Math.round(value)) : value >= 1 ? value.toFixed(1) : String(Number(value.toPrecision(1))));

function Tiles({ value: { samples, totals, present, node } }) {
  const last = (name) => (samples.at.length ? samples[name].at(-1) / samples.secs.at(-1) : 0);
  const p99 = samples.mint_p99_us.findLast((time) => time !== null);
  const shown = totals.verified + totals.refused;
  const tiles = [
    ["Mints", `${rate(last("minted"))}/s`, `${count(totals.minted)} since the start`],
    ["Tokens judged", `${rate(last("verified") + last("refused"))}/s`, `${count(shown)} since the start`],
    ["Refused", shown ? `${((100 * totals.refused) / shown).toFixed(1)} %` : "–", `${count(totals.refused)} of them`],
    ["Mint, 99 of 100 within", p99 === undefined ? "–" : micros(p99), "of the last ones"],
    ["Users here", count(node.sessions), `in ${several(node.rooms, "room")}, ${several(node.streams, "stream")}`],
    ["Revocations that hold", count(present.revocations), several(present.bans, "ban")],
  ];
  const states = [["Store", present.store_up], ["Bus", present.bus_up], ["Audit trail", present.audit_up]];
  return html`<ul class="tiles" aria-label="Now">${tiles.map(([label, number, more]) => html`<li key=${label}><span class="label">${label}</span><b>${number}</b><span class="soft">${more}</span></li>`)}</ul>
    <p class="row" aria-label="State">${states.map(([name, isUp]) => html`<${Badge} key=${name} kind=${isUp ? "good" : "bad"}>${name} ${isUp ? "up" : "away"}<//>`)}</p>`;
}

const several = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;
const micros = (time) => (time >= 1000 ? `${(time / 1000).toFixed(time >= 10_000 ? 0 : 1)} ms` : `${Math.round(time)} µs`);

function Charts({ samples, range }) {
  const columns = useMemo(() => {
    const from = samples.at.findIndex((at) => at > (samples.at.at(-1) ?? 0) - range);
    return Object.fromEntries(Object.entries(samples).map(([name, values]) => [name, from < 0 ? [] : values.slice(from)]));
  }, [samples, range]);
  const perSecond = (name) => columns[name].map((value, index) => value / columns.secs[index]);
  const charts = useMemo(() => [
    ["Tokens a second", "Minted, and shown by clients and backends.", rate, [["Minted", perSecond("minted"), 1], ["Good", perSecond("verified"), 3], ["Not good", perSecond("refused"), 5]]],
    ["Logins a second", "At the gateway of this node.", rate, [["Let in", perSecond("logins"), 3], ["Refused", perSecond("logins_refused"), 5]]],
    ["How long it took", "Half, and 99 of 100, took no longer.", micros, [["Mint, half", columns.mint_p50_us, 1], ["Mint, 99 %", columns.mint_p99_us, 2], ["Verify, half", columns.introspect_p50_us, 6], ["Verify, 99 %", columns.introspect_p99_us, 7], ["Login, half", columns.login_p50_us, 3], ["Login, 99 %", columns.login_p99_us, 4]]],
    ["In rooms", "On this node.", count, [["Users", columns.sessions, 1], ["Streams", columns.streams, 4], ["Rooms", columns.rooms, 6]]],
    ["Revocations", "Made on this node.", count, [["Revocations", columns.revocations, 5]]],
    ["Earlier secrets", "Good tokens a second that an earlier secret of their app opened: at 0, it may go.", rate, [["By an earlier secret", perSecond("opened_by_previous"), 7]]],
  ], [columns]);
  const none = samples.at.length ? undefined : "The first sample comes within 20 seconds of the start";
  return html`<div class="columns charts">${charts.map(([title, about, show, series]) => html`<${Card} key=${title} title=${title} about=${about}>
    <${Plot} at=${columns.at} series=${series} show=${show} title=${title} empty=${none} />
  <//>`)}</div>`;
}

function Plot({ at, series, show, title, empty }) {
  const drawn = useMemo(() => series.map(([label, values, colour]) => ({ label, values, colour })), [series]);
  const latest = drawn.map(({ label, values }) => `${label} ${values.length && values.at(-1) !== null ? show(values.at(-1)) : "none"}`).join(", ");
  return html`<${Chart} at=${at} series=${drawn} show=${show} height=${180} summary=${`${title}, latest: ${latest}`} empty=${empty} />`;
}

function Ring({ totals }) {
  if (!totals.opened_by_active && !totals.opened_by_previous) return null;
  return html`<${Card} title="Use of secret rings" about="Which secrets opened good tokens since the start, over all apps.">
    <${Shares} label="Good tokens" parts=${[{ label: "The active secret", value: totals.opened_by_active, kind: "good" }, { label: "An earlier one", value: totals.opened_by_previous, kind: "warn" }]} />
  <//>`;
}
