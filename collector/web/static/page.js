// The overview: new alerts said aloud, and the chart that a value opens. See page.html and line.js.

import { lookAgain, openChart, proposeChart, refreshChart, showNow } from "./chart.js";
import { live, onSwap } from "./line.js";
import { words } from "./words.js";

const announcer = document.getElementById("announcer");
const title = document.title;

let alertsSeen = alertIds();

function alertIds() {
  return new Set([...document.querySelectorAll("[data-alert]")].map((item) => item.dataset.alert));
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

onSwap(() => {
  showAlerts();
  proposeChart();
  showNow();
  const about = document.getElementById("rooms-about");
  const filter = document.getElementById("filter");
  if (filter) document.getElementById("filters").hidden = Number(about?.dataset.places) <= 6 && !filter.value;
});
live.addEventListener("series", refreshChart);
setInterval(lookAgain, 30_000);

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
showAlerts();
openFromAddress();
