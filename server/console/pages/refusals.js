// What was refused, when and why: counted over time by reason, down to the single login and what to do about it.

import { html, useMemo, useState } from "../lib/view.js";
import { get, url } from "../api.js";
import { duration, exactMoment, fieldOf, now, secondsOf, stamp } from "../lib/time.js";
import { setQuery } from "../router.js";
import { Badge, Button, Card, Empty, Failed, Loading, Mono, Note, PageHead, Select, Text, count, useLoad } from "../ui/kit.js";
import { COLOURS, Chart } from "../ui/chart.js";
import { Fresh } from "../ui/fresh.js";
import { Records, plain } from "./refusals/records.js";

export const title = "Refusals";

const RANGES = [["3600", "Last hour"], ["21600", "Last 6 hours"], ["86400", "Last day"], ["604800", "Last week"], ["2592000", "Last 30 days"], ["own", "From … until …"]];
const ACTIONS = [["", "Everything"], ["login", "Logins"], ["renew", "Renewals"], ["mint", "Mints"], ["call", "Calls of backends"], ["sign_in", "Sign-ins of people"]];
/** A span for 30 days; shorter times have one of the server's choice. */
const LONG = { 2592000: 43_200 };
const EVERY_MS = 10_000;
/** What takes the server longer is asked for less often. */
const LONG_EVERY_MS = 60_000;

export default function Refusals({ params, query }) {
  const { appId } = params;
  const range = query.get("range") ?? "3600";
  const action = query.get("action") ?? "";
  const [span, setSpan] = useState();
  const [row, setRow] = useState();
  const path = appId === undefined ? "/v1/refusals" : url`/v1/apps/${appId}/refusals`;
  const own = range === "own" ? [secondsOf(query.get("since")), secondsOf(query.get("until"))] : undefined;
  const load = useLoad(() => {
    const until = now() + 1;
    const [since, end] = own ?? [until - Number(range), until];
    return get(path, { since: since ?? until - 3600, until: end ?? until, span_secs: LONG[range], action });
  }, [path, range, action, own?.[0], own?.[1]]);
  const choose = (change) => {
    setSpan(undefined);
    setRow(undefined);
    setQuery(change);
  };
  const chooseRange = (range) => choose(range === "own" ? { range, since: fieldOf(now() - 3600) } : { range, since: undefined, until: undefined });
  return html`
    <${PageHead} title="Refusals" about=${appId === undefined ? "What was refused in every app and outside of apps, and why." : "Who was refused in this app, why, and what to do about it."}>
      <${Fresh} at=${load.value?.server_time} reload=${load.reload} follow=${load.follow} everyMs=${Number(range) <= 86_400 ? EVERY_MS : LONG_EVERY_MS} />
    <//>
    <div class="filters">
      <${Select} label="Time" value=${range} options=${RANGES} onValue=${chooseRange} />
      ${own && html`<${Text} label="From" type="datetime-local" value=${query.get("since") ?? ""} onValue=${(since) => choose({ since })} />
        <${Text} label="Until" optional type="datetime-local" value=${query.get("until") ?? ""} onValue=${(until) => choose({ until })} />`}
      <${Select} label="What" value=${action} options=${ACTIONS.slice(0, appId === undefined ? undefined : -1)} onValue=${(action) => choose({ action })} />
    </div>
    ${load.error && !load.value ? html`<${Failed} error=${load.error} retry=${load.reload} />` : load.value ? html`<div class="picture" aria-busy=${load.loading ? "true" : undefined}><${Picture} answer=${load.value} appId=${appId} span=${span} setSpan=${setSpan} row=${row} setRow=${setRow} /></div>` : html`<${Loading} rows=${6} />`}`;
}

function Picture({ answer, appId, span, setSpan, row, setRow }) {
  const { reasons, since, span_secs: width, is_complete: isComplete } = answer;
  const { at, series, sum, sums } = useMemo(() => drawn(answer), [answer]);
  const column = at.indexOf(span);
  const chosen = reasons.find((one) => keyOf(one) === row);
  const times = span === undefined ? [since, answer.until] : [span, span + width];
  const spans = at.flatMap((second, index) => (sums[index] ? [[String(second), `${stamp(second)}: ${count(sums[index])}`]] : []));
  const summary = reasons.length ? `${count(sum)} refusals; most often ${reasons.slice(0, 3).map((one) => `${one.title} (${count(one.count)})`).join(", ")}.` : "Nothing was refused in this time.";
  if (!reasons.length) return html`<${Empty} icon="check" title="Nothing was refused">Not in this time. Refused logins, renewals, mints and calls are counted here within a second or so.<//>`;
  return html`
    ${!isComplete && html`<${Note} kind="warn" title="There were more">Of a flood only the beginning is recorded, so these counts are too low for some of the time.<//>`}
    <${Card} title=${`${count(sum)} refused`} about=${`In spans of ${duration(width)}. A column that is clicked, or chosen here, is shown one by one below.`}
      actions=${html`<${Select} label=${html`<span class="hidden">Span</span>`} value=${column < 0 ? "" : String(span)} options=${[["", "the whole time"], ...spans.toReversed()]} onValue=${(second) => setSpan(second ? Number(second) : undefined)} />`}>
      <${Chart} at=${at} series=${series} bars=${width} show=${count} named=${false} summary=${summary} onPick=${(index) => setSpan(at[index])} />
      <ul class="reasons" aria-label="Reasons">${reasons.map((one, index) => html`<${Reason} key=${keyOf(one)} reason=${one} colour=${colourOf(index)} sum=${sum} chosen=${keyOf(one) === row} column=${column < 0 ? undefined : column} onChoose=${() => setRow(keyOf(one) === row ? undefined : keyOf(one))} />`)}</ul>
    <//>
    <${Card} title="One by one" about=${span === undefined ? "The latest first." : `From ${exactMoment(times[0])}, ${duration(width)} long.`}
      actions=${html`${span !== undefined && html`<${Button} small icon="close" onClick=${() => setSpan(undefined)}>Whole time<//>`}${chosen && html`<${Button} small icon="close" onClick=${() => setRow(undefined)}>All reasons<//>`}`}>
      <${Records} appId=${appId} since=${times[0]} until=${times[1]} isWhole=${span === undefined} turn=${answer.server_time} chosen=${chosen} reasons=${reasons} />
    <//>`;
}

function Reason({ reason, colour, sum, chosen, column, onChoose }) {
  const share = Math.round((100 * reason.count) / sum);
  return html`<li><button type="button" aria-pressed=${chosen ? "true" : "false"} onClick=${onChoose}>
    <span class=${`key c${colour}`} aria-hidden="true"></span>
    <span class="what"><b>${reason.title}</b> <span class="row tight"><${Badge}>${reason.action}<//> <${Mono}>${reason.reason}<//></span></span>
    <span class="number"><b>${count(column === undefined ? reason.count : reason.counts[column])}</b> <span class="soft">${column === undefined ? `${share} %` : "in the span"}</span></span>
    ${chosen && html`<span class="remedy">${plain(reason.remedy)}</span>`}
  </button></li>`;
}

const keyOf = ({ action, reason }) => `${action} ${reason}`;
/** Beyond the colours there are, reasons share the last one. */
const colourOf = (index) => Math.min(index + 1, COLOURS);

/** The counts as columns; those of the rarest reasons together. */
function drawn({ since, span_secs: width, reasons }) {
  const at = reasons.length ? reasons[0].counts.map((_, index) => since + index * width) : [];
  const own = reasons.length > COLOURS ? reasons.slice(0, COLOURS - 1) : reasons;
  const series = own.map(({ title, action, counts }, index) => ({ label: `${title} (${action})`, values: counts, colour: colourOf(index) }));
  const rest = reasons.slice(own.length);
  if (rest.length) series.push({ label: `${rest.length} more`, values: at.map((_, index) => rest.reduce((sum, { counts }) => sum + counts[index], 0)), colour: COLOURS });
  const sums = at.map((_, index) => reasons.reduce((sum, { counts }) => sum + counts[index], 0));
  return { at, series, sums, sum: reasons.reduce((sum, one) => sum + one.count, 0) };
}
