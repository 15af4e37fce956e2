// The chart of one series: uPlot, fed from the API, fetched again when the series have changed.

import { clock, numberText, unitText, words } from "./words.js";

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const REFRESH_MS = 1_000;
const SPAN_MS_MIN = 60_000;
const wide = matchMedia("(min-width: 56.25rem)");

const panel = document.getElementById("chart");
const plotBox = document.getElementById("plot");
const lang = panel.dataset.lang;
const zone = panel.dataset.zone;

const moment = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });

let seriesId = null;
let hours = 1;
let plot = null;
let shape = "";
let request = null;
let lastFetch = 0;
let waiting = null;
let asked = false;
let cameFrom = null;
let proposed = false;
let closed = false;
let isState = false;
// When the data of this series and range begin; null until they are known.
let firstMs = null;

// On a wide screen a chart is open without being asked for, until somebody closes it.
export function proposeChart() {
  if (!wide.matches) {
    if (proposed) openChart(null);
  } else if (seriesId === null && !closed) {
    const id = document.getElementById("rooms-about")?.dataset.chart;
    if (id) openChart(id, true);
  }
  if (seriesId !== null) markCurrent();
}

export function openChart(id, unasked = false) {
  if (id === seriesId) {
    if (proposed && !unasked) document.getElementById("chart-title").focus({ preventScroll: true });
    proposed &&= unasked;
    return;
  }
  seriesId = id;
  proposed = unasked;
  firstMs = null;
  isState = false;
  markCurrent();
  panel.hidden = id === null;
  document.body.classList.toggle("has-chart", id !== null);
  request?.abort();
  dropPlot();
  if (id === null) return;
  cameFrom = document.getElementById(`value-${id}`);
  document.getElementById("chart-title").textContent = cameFrom?.querySelector(".label").textContent ?? "";
  for (const name of ["chart-place", "chart-now", "chart-summary"]) document.getElementById(name).textContent = "";
  if (!unasked) document.getElementById("chart-title").focus({ preventScroll: true });
  fetchPoints();
}

function markCurrent() {
  for (const link of document.querySelectorAll('#rooms [aria-current="true"]')) {
    if (link.id !== `value-${seriesId}`) link.removeAttribute("aria-current");
  }
  document.getElementById(`value-${seriesId}`)?.setAttribute("aria-current", "true");
}

// At most one fetch a second, and always one after the last signal.
export function refreshChart() {
  if (seriesId === null || document.hidden) return;
  asked = true;
  if (waiting !== null || request) return;
  waiting = setTimeout(() => {
    waiting = null;
    fetchPoints();
  }, Math.max(0, lastFetch + REFRESH_MS - performance.now()));
}

// What came late may lie before what was known.
export function lookAgain() {
  firstMs = null;
  refreshChart();
}

// The latest value stands in the room's tile as well: the two say the same.
export function showNow() {
  const latest = latestText();
  if (plot && latest) document.getElementById("chart-now").textContent = latest;
}

function latestText() {
  return document.querySelector(`#value-${seriesId} .number`)?.textContent.trim();
}

function stepSeconds(spanMs) {
  const points = Math.max(120, plotBox.clientWidth / 2);
  return STEPS_S.find((step) => spanMs / 1000 / step <= points) ?? STEPS_S.at(-1);
}

// Where the axis begins: young data fill it, rather than an empty hour before them.
function axisStart(endMs) {
  const startMs = endMs - hours * 3_600_000;
  return firstMs === null ? startMs : Math.max(startMs, Math.min(firstMs, endMs - SPAN_MS_MIN));
}

async function fetchPoints() {
  const id = seriesId;
  if (id === null) return;
  request?.abort();
  const mine = (request = new AbortController());
  asked = false;
  lastFetch = performance.now();
  const end = Math.round(clock.now());
  const start = Math.round(axisStart(end));
  const step = stepSeconds(end - start);
  const ask = async (aggregate) => {
    // A gateway's clock may be a little ahead of the server's.
    const query = `id=${id}&start=${start}&end=${end + 60_000}&step=${step}s&aggregate=${aggregate}`;
    const response = await fetch(`/api/v1/series/query?${query}`, { signal: mine.signal });
    if (!response.ok) throw new Error(String(response.status));
    return (await response.json()).series[0];
  };
  try {
    const tile = document.getElementById(`value-${id}`);
    if (tile) isState = tile.querySelector(".unit") === null;
    const answers = await Promise.all((isState ? ["last"] : ["mean", "min", "max"]).map(ask));
    if (id !== seriesId) return;
    if (foundFirst(answers[0], start, end, step)) asked = true;
    else draw(answers, start, end, step);
  } catch (error) {
    if (error.name !== "AbortError") document.getElementById("chart-summary").textContent = words.failed;
  } finally {
    if (request === mine) request = null;
    if (asked && !request) refreshChart();
  }
}

// Whether the data turn out to begin so late that a finer look at them is worth another fetch.
function foundFirst(series, start, end, step) {
  const first = series?.time_ms[0];
  if (first === undefined) return false;
  const known = firstMs === null ? start + step * 1000 : firstMs;
  if (first <= known || known <= end - hours * 3_600_000) return false;
  firstMs = first;
  lastFetch = 0;
  return true;
}

function draw([series, lowest = series, highest = series], start, end, step) {
  const summary = document.getElementById("chart-summary");
  if (!series?.time_ms.length) {
    dropPlot();
    summary.textContent = words.noPoints;
    return;
  }
  const unit = unitText(series.unit);
  const text = (value) => (value === null || value === undefined ? "" : `${numberText(value)}${unit ? ` ${unit}` : ""}`);
  document.getElementById("chart-title").textContent = series.label[lang];
  document.getElementById("chart-place").textContent = `${series.place_label?.[lang] ?? series.place.replace("/", " · ")} · ${series.device}`;
  document.getElementById("chart-now").textContent = latestText() ?? text(series.value.at(-1));
  const points = series.count.reduce((sum, count) => sum + count, 0);
  const total = series.value.reduce((sum, value, at) => sum + value * series.count[at], 0);
  summary.textContent = lowest === series
    ? ""
    : [[words.min, Math.min(...lowest.value)], [words.max, Math.max(...highest.value)],
        [words.mean, Number((total / points).toPrecision(4))]]
        .map(([word, value]) => `${word} ${text(value)}`).join(" · ");
  const columns = columnsOf(series, lowest, highest, step);
  const newest = series.time_ms.at(-1);
  const range = { min: axisStart(end) / 1000, max: Math.max(end, newest) / 1000 };
  const wanted = `${series.id}|${hours}|${plotBox.clientWidth}`;
  if (plot && shape === wanted) {
    plot.batch(() => {
      plot.setData(columns, false);
      plot.setScale("x", range);
    });
    return;
  }
  dropPlot();
  shape = wanted;
  plot = new uPlot(options(series, text), columns, plotBox);
  plot.setScale("x", range);
}

function medianGap(times) {
  const gaps = times.slice(1).map((time, at) => time - times[at]).sort((a, b) => a - b);
  return gaps[gaps.length >> 1] ?? 0;
}

// Time, value, doubtful value, lowest, highest. A gap longer than a few windows is a gap, not a line.
function columnsOf(series, lowest, highest, step) {
  const times = series.time_ms.map((ms) => ms / 1000);
  const longest = Math.max(step * 4, medianGap(times) * 4);
  const low = new Map(lowest.time_ms.map((ms, at) => [ms, lowest.value[at]]));
  const high = new Map(highest.time_ms.map((ms, at) => [ms, highest.value[at]]));
  const rows = [];
  times.forEach((time, at) => {
    if (at && time - times[at - 1] > longest) rows.push([times[at - 1] + 0.001, null, null, null, null]);
    const value = series.value[at];
    const ms = series.time_ms[at];
    rows.push([time, value, series.quality[at] === "good" ? null : value, low.get(ms) ?? value, high.get(ms) ?? value]);
  });
  return [0, 1, 2, 3, 4].map((column) => rows.map((row) => row[column]));
}

function options(series, text) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour("--text-soft"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const isBool = series.unit === "bool";
  return {
    width: plotBox.clientWidth,
    height: Math.max(180, Math.min(320, plotBox.clientWidth * 0.7)),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    scales: { x: { time: true }, y: isBool ? { range: [-0.1, 1.1] } : { range: { min: { pad: 0.15 }, max: { pad: 0.15 } } } },
    legend: { live: true, markers: { show: false } },
    cursor: { points: { size: 8 }, drag: { x: false, y: false } },
    series: [
      { label: words.time, value: (_, seconds) => (seconds == null ? "" : moment.format(seconds * 1000)) },
      {
        label: series.label[lang], stroke: colour("--accent"), width: 2,
        points: { show: series.time_ms.length < 40, size: 5 },
        paths: isBool ? uPlot.paths.stepped({ align: 1 }) : undefined,
        value: (_, value) => text(value),
      },
      {
        label: words.doubtful, stroke: colour("--warn"), width: 0, paths: () => null,
        points: { show: true, size: 6, stroke: colour("--warn"), fill: colour("--card") },
        value: (_, value) => text(value),
      },
      { label: words.min, width: 0, points: { show: false } },
      { label: words.max, width: 0, points: { show: false } },
    ],
    bands: [{ series: [4, 3], fill: colour("--accent-band") }],
    axes: [
      { ...axis, values: [
        [86400, "{M}-{D}", null, null, null, null, null, null, 1],
        [3600, "{HH}:{mm}", "\n{M}-{D}", null, "\n{M}-{D}", null, null, null, 1],
        [60, "{HH}:{mm}", "\n{M}-{D}", null, "\n{M}-{D}", null, null, null, 1],
        [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1],
      ] },
      { ...axis, size: 56 },
    ],
  };
}

function dropPlot() {
  plot?.destroy();
  plot = null;
  shape = "";
}

function close() {
  const back = cameFrom?.isConnected ? cameFrom : document.getElementById("rooms");
  history.replaceState(null, "", location.pathname + location.search);
  closed = true;
  openChart(null);
  back.focus({ preventScroll: true });
}

document.getElementById("chart-close").addEventListener("click", close);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && seriesId !== null) close();
});
for (const button of panel.querySelectorAll("[data-hours]")) {
  button.addEventListener("click", () => {
    hours = Number(button.dataset.hours);
    firstMs = null;
    for (const other of panel.querySelectorAll("[data-hours]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    fetchPoints();
  });
}

document.addEventListener("visibilitychange", refreshChart);
wide.addEventListener("change", proposeChart);

let resized = null;
new ResizeObserver(() => {
  clearTimeout(resized);
  resized = setTimeout(() => {
    if (plot && plot.width !== plotBox.clientWidth && plotBox.clientWidth) fetchPoints();
  }, 150);
}).observe(plotBox);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  dropPlot();
  fetchPoints();
});
