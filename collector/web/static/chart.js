// The chart of one series: uPlot, fed from the API, fetched again when the series have changed.

import { columnsOf, options } from "./plot.js";
import { clock, grainText, numberText, unitText, words } from "./words.js";

const REFRESH_MS_MIN = 1_000;
const REFRESH_MS_MAX = 30_000;
// The chart is drawn anew so many times in the time that it shows.
const REFRESHES = 3_600;
const SPAN_MS_MIN = 60_000;
const POINTS_MIN = 200;
const POINTS_MAX = 1_000;
const wide = matchMedia("(min-width: 56.25rem)");

const panel = document.getElementById("chart");
const plotBox = document.getElementById("plot");
const zone = panel.dataset.zone;

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
// The step that the server chose for this series and range: "auto" until it has, "none" for every reading.
let step = "auto";

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
  forgetRange();
  isState = false;
  markCurrent();
  panel.hidden = id === null;
  document.body.classList.toggle("has-chart", id !== null);
  request?.abort();
  dropPlot();
  if (id === null) return;
  cameFrom = document.getElementById(`value-${id}`);
  document.getElementById("chart-title").textContent = cameFrom?.querySelector(".label").textContent ?? "";
  for (const name of ["chart-place", "chart-now", "chart-summary", "chart-grain"]) document.getElementById(name).textContent = "";
  if (!unasked) document.getElementById("chart-title").focus({ preventScroll: true });
  fetchPoints();
}

function markCurrent() {
  for (const link of document.querySelectorAll('#rooms [aria-current="true"]')) {
    if (link.id !== `value-${seriesId}`) link.removeAttribute("aria-current");
  }
  document.getElementById(`value-${seriesId}`)?.setAttribute("aria-current", "true");
}

// At most one fetch a second, or less often where more time is shown; and always one after the last signal.
export function refreshChart() {
  if (seriesId === null || document.hidden) return;
  asked = true;
  if (waiting !== null || request) return;
  const refreshMs = Math.min(REFRESH_MS_MAX, Math.max(REFRESH_MS_MIN, (hours * 3_600_000) / REFRESHES));
  waiting = setTimeout(() => {
    waiting = null;
    fetchPoints();
  }, Math.max(0, lastFetch + refreshMs - performance.now()));
}

// What came late may lie before what was known, and be too much for the step that was right.
export function lookAgain() {
  forgetRange();
  refreshChart();
}

function forgetRange() {
  firstMs = null;
  step = "auto";
}

// The latest value stands in the room's tile as well: the two say the same.
export function showNow() {
  const latest = latestText();
  if (plot && latest) document.getElementById("chart-now").textContent = latest;
}

function latestText() {
  return document.querySelector(`#value-${seriesId} .number`)?.textContent.trim();
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
  // By whole minutes, so that roll-ups answer from the beginning.
  const start = Math.floor(axisStart(end) / 60_000) * 60_000;
  const ask = async (step, aggregate) => {
    // A gateway's clock may be a little ahead of the server's.
    let query = `id=${id}&start=${start}&end=${end + 60_000}&step=${step}`;
    if (step !== "none") query += `&aggregate=${aggregate}`;
    if (step === "auto") query += `&points=${Math.min(POINTS_MAX, Math.max(POINTS_MIN, plotBox.clientWidth))}`;
    const response = await fetch(`/api/v1/series/query?${query}`, { signal: mine.signal });
    if (!response.ok) throw new Error(String(response.status));
    return response.json();
  };
  const band = (step) => (isState || step === "none" ? [] : ["min", "max"].map((aggregate) => ask(step, aggregate)));
  try {
    const tile = document.getElementById(`value-${id}`);
    if (tile) isState = tile.querySelector(".unit") === null;
    const known = step;
    const main = ask(known, isState ? "last" : "mean");
    const [answer, ...early] = await Promise.all(known === "auto" ? [main] : [main, ...band(known)]);
    const chosen = answer.step_ms === null ? "none" : `${answer.step_ms}ms`;
    const edges = known === "auto" ? await Promise.all(band(chosen)) : early;
    if (id !== seriesId || request !== mine) return;
    step = chosen;
    firstMs ??= answer.series[0]?.time_ms[0] ?? null;
    draw(answer, edges.map((edge) => edge.series[0]), end);
  } catch (error) {
    if (error.name !== "AbortError") document.getElementById("chart-summary").textContent = words.failed;
  } finally {
    if (request === mine) request = null;
    if (asked && !request) refreshChart();
  }
}

function draw(answer, edges, end) {
  const series = answer.series[0];
  const summary = document.getElementById("chart-summary");
  const grain = document.getElementById("chart-grain");
  if (!series?.time_ms.length) {
    dropPlot();
    summary.textContent = words.noPoints;
    grain.textContent = "";
    return;
  }
  series.value = series.value.map(Number);
  const [lowest = series, highest = series] = edges;
  const unit = unitText(series.unit);
  const text = (value) => (value === null || value === undefined ? "" : `${numberText(value)}${unit ? ` ${unit}` : ""}`);
  document.getElementById("chart-title").textContent = series.label[words.lang];
  document.getElementById("chart-place").textContent = `${series.place_label?.[words.lang] ?? series.place.replace("/", " · ")} · ${series.device}`;
  document.getElementById("chart-now").textContent = latestText() ?? text(series.value.at(-1));
  summary.textContent = isState ? "" : summaryOf(series, lowest, highest, text);
  grain.textContent = grainText(answer.step_ms, answer.resolution, edges.length > 0);
  const columns = columnsOf(series, lowest, highest, answer.step_ms);
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
  plot = new uPlot(options(series, text, plotBox.clientWidth, zone), columns, plotBox);
  plot.setScale("x", range);
}

function summaryOf(series, lowest, highest, text) {
  const points = series.count.reduce((sum, count) => sum + count, 0);
  const total = series.value.reduce((sum, value, at) => sum + value * series.count[at], 0);
  const least = lowest.value.reduce((least, value) => Math.min(least, value));
  const most = highest.value.reduce((most, value) => Math.max(most, value));
  return [[words.min, least], [words.max, most], [words.mean, Number((total / points).toPrecision(4))]]
    .map(([word, value]) => `${word} ${text(value)}`).join(" · ");
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
    forgetRange();
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
