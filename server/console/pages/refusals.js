// What was refused, when and why: counted over time by reason, down to the single login and what to do about it.

import { html, useMemo, useState } from "../lib/view.js";
import { get, url } from "../api.js";
import { duration, exactMoment, now } from "../lib/time.js";
import { setQuery } from "../router.js";
import { Badge, Button, Card, Empty, Failed, Loading, Mono, Note, PageHead, Select, count, useLoad } from "../ui/kit.js";
import { COLOURS, Chart } from "../ui/chart.js";
import { Records, plain } from "./refusals/records.js";

export const title = "Refusals";

const RANGES = [["3600", "Last hour"], ["21600", "Last 6 hours"], ["86400", "Last day"], ["604800", "Last week"], ["2592000", "Last 30 days"]];
const ACTIONS = [["", "Everything"], ["login", "Logins"], ["renew", "Renewals"], ["mint", "Mints"], ["call", "Calls of backends"], ["sign_in", "Sign-ins of people"]];
/** A span for 30 days; shorter times have one of the server's choice. */
const LONG = { 2592000: 43_200 };

export default function Refusals({ params, query }) {
  const { appId } = params;
  const range = query.get("range") ?? "3600";
  const action = query.get("action") ?? "";
  const [span, setSpan] = useState();
  const [row, setRow] = useState();
  const path = appId === undefined ? "/v1/refusals" : url`/v1/apps/${appId}/refusals`;
  const load = useLoad(() => {
    const until = now() + 1;
    return get(path, { since: until - Number(range), until, span_secs: LONG[range], action });
  }, [path, range, action]);
  const choose = (change) => {
    setSpan(undefined);
    setRow(undefined);
    setQuery(change);
  };
  return html`
    <${PageHead} title="Refusals" about=${appId === undefined ? "What was refused in every app and outside of apps, and why." : "Who was refused in this app, why, and what to do about it."}>
      <${Button} icon="refresh" onClick=${load.reload} busy=${load.loading && Boolean(load.value)}>Refresh<//>
    <//>
    <div class="filters">
      <${Select} label="Time" value=${range} options=${RANGES} onValue=${(range) => choose({ range })} />
      <${Select} label="What" value=${action} options=${ACTIONS.slice(0, appId === undefined ? undefined : -1)} onValue=${(action) => choose({ action })} />
    </div>
    ${load.error ? html`<${Failed} error=${load.error} retry=${load.reload} />` : load.value ? html`<${Picture} answer=${load.value} appId=${appId} span=${span} setSpan=${setSpan} row=${row} setRow=${setRow} />` : html`<${Loading} rows=${6} />`}`;
}

function Picture({ answer, appId, span, setSpan, row, setRow }) {
  const { reasons, since, span_secs: width, is_complete: isComplete } = answer;
  const { at, series, sum } = useMemo(() => drawn(answer), [answer]);
  const chosen = reasons.find((one) => keyOf(one) === row);
  const times = span === undefined ? [since, answer.until] : [since + span * width, since + (span + 1) * width];
  const summary = reasons.length ? `${count(sum)} refusals; most often ${reasons.slice(0, 3).map((one) => `${one.title} (${count(one.count)})`).join(", ")}.` : "Nothing was refused in this time.";
  if (!reasons.length) return html`<${Empty} icon="check" title="Nothing was refused">Not in this time. Refused logins, renewals, mints and calls are counted here within a second or so.<//>`;
  return html`
    ${!isComplete && html`<${Note} kind="warn" title="There were more">Of a flood only the beginning is recorded, so these counts are too low for some of the time.<//>`}
    <${Card} title=${`${count(sum)} refused`} about=${`In spans of ${duration(width)}. A click on a column shows what is in it.`}>
      <${Chart} at=${at} series=${series} bars=${width} show=${count} named=${false} summary=${summary} onPick=${setSpan} />
      <ul class="reasons" aria-label="Reasons">${reasons.map((one, index) => html`<${Reason} key=${keyOf(one)} reason=${one} colour=${colourOf(index)} sum=${sum} chosen=${keyOf(one) === row} span=${span} onChoose=${() => setRow(keyOf(one) === row ? undefined : keyOf(one))} />`)}</ul>
    <//>
    <${Card} title="One by one" about=${span === undefined ? "The latest first." : `From ${exactMoment(times[0])}, ${duration(width)} long.`}
      actions=${html`${span !== undefined && html`<${Button} small icon="close" onClick=${() => setSpan(undefined)}>Whole time<//>`}${chosen && html`<${Button} small icon="close" onClick=${() => setRow(undefined)}>All reasons<//>`}`}>
      <${Records} appId=${appId} since=${times[0]} until=${times[1]} chosen=${chosen} reasons=${reasons} />
    <//>`;
}

function Reason({ reason, colour, sum, chosen, span, onChoose }) {
  const share = Math.round((100 * reason.count) / sum);
  return html`<li><button type="button" aria-pressed=${chosen ? "true" : "false"} onClick=${onChoose}>
    <span class=${`key c${colour}`} aria-hidden="true"></span>
    <span class="what"><b>${reason.title}</b> <span class="row tight"><${Badge}>${reason.action}<//> <${Mono}>${reason.reason}<//></span></span>
    <span class="number"><b>${count(span === undefined ? reason.count : reason.counts[span])}</b> <span class="soft">${span === undefined ? `${share} %` : "in the span"}</span></span>
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
  return { at, series, sum: reasons.reduce((sum, one) => sum + one.count, 0) };
}
