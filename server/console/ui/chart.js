// Charts over time, drawn by uPlot. What a chart shows is also said in words, and in a table or list beside it.

import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef, useState } from "../lib/view.js";
import { exactMoment } from "../lib/time.js";

/** How many colours there are for series. */
export const COLOURS = 8;

/**
 * `series` are `{ label, values, colour }` over the Unix seconds `at`; `colour` is 1 to 8. With `bars` they are columns that
 * stand on one another, each `bars` seconds wide. `show` writes a value. `onPick` gets the number of the point that was
 * clicked, or gone to by the arrow keys and picked by Enter. `summary` says it all in a sentence. Without `named`, series
 * are told apart by a list beside the chart.
 */
export function Chart({ at, series, bars, show = String, onPick, summary, height = 220, named = true, empty = "Nothing in this time" }) {
  const area = useRef();
  const [over, setOver] = useState();
  const theme = useTheme();
  const drawn = useRef();
  const told = named ? series : series.filter(({ values }) => over !== undefined && values[over]);
  const isEmpty = !at.length || series.every(({ values }) => values.every((value) => !value));
  useEffect(() => {
    if (isEmpty) return undefined;
    const place = area.current;
    const plot = new uPlot(options({ series, bars, show, height, width: place.clientWidth, colour: colours(place), at }), data(at, series, bars), place);
    drawn.current = plot;
    if (document.activeElement === place && over !== undefined) mark(plot, over);
    plot.over.addEventListener("mouseleave", () => setOver(undefined));
    plot.over.addEventListener("mousemove", () => setOver(plot.cursor.idx ?? undefined));
    const resized = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height }));
    resized.observe(place);
    return () => {
      resized.disconnect();
      plot.destroy();
      drawn.current = undefined;
    };
  }, [at, series, bars, height, theme, isEmpty]);
  const keyed = (event) => {
    const last = at.length - 1;
    const here = Math.min(over ?? (event.key === "ArrowRight" ? -1 : last + 1), last + 1);
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, ArrowDown: here - 1, ArrowUp: here + 1, PageDown: here - 10, PageUp: here + 10, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      const reached = Math.max(0, Math.min(last, to));
      setOver(reached);
      if (drawn.current) mark(drawn.current, reached);
    } else if (event.key === "Enter" && onPick && at[over] !== undefined) onPick(over);
    else return;
    event.preventDefault();
  };
  // The place stays while the chart in it is drawn anew, be that under a mouse at rest or amid a click.
  const clicked = ({ clientX, clientY }) => {
    const plot = drawn.current;
    if (!plot || !onPick) return;
    const { left, right, top, bottom } = plot.over.getBoundingClientRect();
    if (clientX >= left && clientX <= right && clientY >= top && clientY <= bottom) onPick(plot.posToIdx(clientX - left));
  };
  // A chart is a scale that one can move along; what is found there is said.
  const scale = isEmpty
    ? { role: "img" }
    : { role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": at.length - 1, "aria-valuenow": over ?? at.length - 1, "aria-valuetext": at[over] === undefined ? "the arrow keys go along it" : said(at[over], series, over, show), onKeyDown: keyed, onClick: clicked, onBlur: () => setOver(undefined) };
  return html`<figure class="chart">
    <div class="plot" ref=${area} aria-label=${summary} ...${scale}>${isEmpty && html`<p class="nothing soft">${empty}</p>`}</div>
    <figcaption class="readout" aria-hidden="true">
      <span class="soft">${over === undefined || at[over] === undefined ? "" : exactMoment(at[over])}</span>
      ${told.map(({ label, values, colour }) => html`<span class="entry" key=${label}><span class=${`key c${colour}`}></span>${label}${over !== undefined && values[over] !== undefined && html` <b>${values[over] === null ? "–" : show(values[over])}</b>`}</span>`)}
    </figcaption>
    <span class="probe" hidden></span>
  </figure>`;
}

/** Puts the cursor on a point. */
const mark = (plot, index) => plot.setCursor({ left: plot.valToPos(plot.data[0][index], "x"), top: 0 });

/** What is there at a point, in words. */
function said(second, series, index, show) {
  const values = series.filter(({ values }) => values[index]).map(({ label, values }) => `${label} ${show(values[index])}`);
  return `${exactMoment(second)}: ${values.join(", ") || "nothing"}`;
}

/** Again whenever colours may have changed. */
function useTheme() {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const changed = () => setTurn((turn) => turn + 1);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const switched = new MutationObserver(changed);
    dark.addEventListener("change", changed);
    switched.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      dark.removeEventListener("change", changed);
      switched.disconnect();
    };
  }, []);
  return turn;
}

/** Colours as a canvas takes them: of classes, since a canvas knows no variables. */
function colours(near) {
  const probe = document.createElement("span");
  near.append(probe);
  const of = (name) => {
    probe.className = `probe ${name}`;
    return getComputedStyle(probe).color;
  };
  const all = { ink: of("soft"), line: of("line"), series: Array.from({ length: COLOURS }, (_, at) => of(`c${at + 1}`)) };
  probe.remove();
  return all;
}

/** Columns that stand on one another are sums, drawn from the tallest down. */
function data(at, series, bars) {
  if (!bars) return [at, ...series.map(({ values }) => values)];
  const sums = at.map(() => 0);
  const stacked = series.map(({ values }) => values.map((value, index) => (sums[index] += value)));
  return [at.map((second) => second + bars / 2), ...stacked.toReversed()];
}

function options({ series, bars, show, height, width, colour, at }) {
  const axis = { stroke: colour.ink, grid: { stroke: colour.line, width: 1 }, ticks: { stroke: colour.line, width: 1 }, font: "12px system-ui, sans-serif" };
  const paint = (one) => colour.series[(one.colour - 1) % COLOURS];
  const drawn = bars ? series.toReversed() : series;
  return {
    width,
    height,
    // The last time on the axis is as wide as it is.
    padding: [10, 34, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: !bars } },
    scales: { x: { time: true, range: bars ? () => [at[0], at.at(-1) + bars] : undefined }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] } },
    axes: [
      { ...axis, size: 34, space: 96, values: (_, seconds, __, ___, step) => seconds.map((second) => clock(second, step)) },
      { ...axis, size: 58, space: 36, values: (_, values) => values.map((value) => show(value)) },
    ],
    series: [
      {},
      ...drawn.map((one) =>
        bars
          ? { label: one.label, fill: paint(one), stroke: paint(one), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.86, 80], gap: 1 }) }
          : { label: one.label, stroke: paint(one), width: 1.75, points: { show: at.length < 2 }, spanGaps: false },
      ),
    ],
  };
}

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

function clock(second, step) {
  if (step >= 86_400) return DAY.format(second * 1000);
  return (step < 60 ? SECONDS : TIME).format(second * 1000);
}
