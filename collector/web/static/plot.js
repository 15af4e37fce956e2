// How a series is drawn: its columns and uPlot's options.

import { words } from "./words.js";

function medianGap(times) {
  const gaps = times.slice(1).map((time, at) => time - times[at]).sort((a, b) => a - b);
  return gaps[gaps.length >> 1] ?? 0;
}

// Time, value, doubtful value, lowest, highest. A gap longer than a few windows or readings is a gap, not a line.
export function columnsOf(series, lowest, highest, stepMs) {
  const times = series.time_ms.map((ms) => ms / 1000);
  const longest = Math.max((stepMs ?? 1_000) / 250, medianGap(times) * 4);
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

export function options(series, text, width, zone) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour("--text-soft"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const isBool = series.unit === "bool";
  const moment = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  return {
    width,
    height: Math.max(180, Math.min(320, width * 0.7)),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    scales: { x: { time: true }, y: isBool ? { range: [-0.1, 1.1] } : { range: { min: { pad: 0.15 }, max: { pad: 0.15 } } } },
    legend: { live: true, markers: { show: false } },
    cursor: { points: { size: 8 }, drag: { x: false, y: false } },
    series: [
      { label: words.time, value: (_, seconds) => (seconds == null ? "" : moment.format(seconds * 1000)) },
      {
        label: series.label[words.lang], stroke: colour("--accent"), width: 2,
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
