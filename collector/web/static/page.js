// Keeps the page honest: ages that tick, the state of the line, new alerts said aloud.
// The parts themselves are fetched by htmx; see page.html.

import { lookAgain, openChart, proposeChart, refreshChart, showNow } from "./chart.js";
import { ageText, clock, words } from "./words.js";

const RECONNECT_MS = 5_000;
const live = document.getElementById("live");
const state = document.getElementById("state");
const offline = document.getElementById("offline");
const announcer = document.getElementById("announcer");
const title = document.title;

// htmx may have connected before this module ran.
let streaming = live._htmx?.sse?.status === 200;
const failing = new Set();
let alertsSeen = alertIds();

function alertIds() {
  return new Set([...document.querySelectorAll("[data-alert]")].map((item) => item.dataset.alert));
}

function readClock() {
  const about = document.getElementById("rooms-about");
  if (about) clock.aheadMs = Number(about.dataset.now) - Date.now();
}

function showAges() {
  const now = clock.now();
  for (const element of document.querySelectorAll("[data-time]")) {
    element.textContent = ageText(now - Number(element.dataset.time));
  }
}

function showState() {
  const well = streaming && !failing.size;
  state.textContent = well ? words.live : words.offline;
  state.classList.toggle("away", !well);
  offline.hidden = well;
  if (offline.textContent !== words.away) offline.textContent = words.away;
}

function showAlerts() {
  const open = document.querySelector("[data-open-alerts]")?.dataset.openAlerts;
  document.title = open ? `(${open}) ${title}` : title;
  const ids = alertIds();
  const fresh = [...document.querySelectorAll("[data-alert]")].filter((item) => !alertsSeen.has(item.dataset.alert));
  if (fresh.length) {
    const value = fresh[0].querySelector(".alert-value").textContent.replace(/\s+/g, " ").trim();
    announcer.textContent = `${words.alert}${fresh.length > 1 ? ` × ${fresh.length}` : ""}: ${value}`;
    for (const item of fresh) item.classList.add("fresh");
  }
  alertsSeen = ids;
}

document.addEventListener("htmx:sse:after:connection", () => {
  streaming = true;
  showState();
});
for (const name of ["htmx:sse:close", "htmx:sse:error"]) {
  document.addEventListener(name, () => {
    streaming = false;
    showState();
  });
}

// An error page must not replace a part that is still good.
document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  if (ctx.response.status < 400) return;
  event.preventDefault();
  if (ctx.sourceElement === live) streaming = false;
  else if (ctx.response.status >= 500) failing.add(ctx.target?.id);
  showState();
});
document.addEventListener("htmx:error", (event) => {
  const { ctx } = event.detail;
  if (ctx?.sourceElement === live) streaming = false;
  else if (ctx) failing.add(ctx.target?.id);
  showState();
});
document.addEventListener("htmx:after:swap", (event) => {
  if (failing.delete(event.detail.ctx?.target?.id)) showState();
  readClock();
  showAges();
  showAlerts();
  proposeChart();
  showNow();
  const about = document.getElementById("rooms-about");
  const filter = document.getElementById("filter");
  document.getElementById("filters").hidden = Number(about?.dataset.places) <= 6 && !filter.value;
});

// The extension retries a line that was up once; a first connection that failed is left to us.
setInterval(() => {
  if (streaming) return;
  showState();
  if (!live._htmx?.sse) live.dispatchEvent(new CustomEvent("reconnect"));
}, RECONNECT_MS);
live.addEventListener("series", refreshChart);
setInterval(lookAgain, 30_000);
setInterval(showAges, 1_000);

function openFromAddress() {
  const match = /^#series-(\d+)$/.exec(location.hash);
  openChart(match ? match[1] : null);
  proposeChart();
}

// Another language shows the same chart.
const language = document.getElementById("language");
language.addEventListener("click", () => {
  language.hash = location.hash;
});

window.addEventListener("hashchange", openFromAddress);
readClock();
showAges();
showAlerts();
openFromAddress();
if (streaming) showState();
