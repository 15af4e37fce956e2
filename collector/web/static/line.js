// The line to the server, for every page with live parts: whether it holds, and ages that tick.
// The parts themselves are fetched by htmx.

import { ageText, clock, words } from "./words.js";

const RECONNECT_MS = 5_000;
export const live = document.getElementById("live");
const state = document.getElementById("state");
const offline = document.getElementById("offline");
const refused = document.getElementById("refused");

// htmx may have connected before this module ran.
let streaming = live._htmx?.sse?.status === 200;
let ended = false;
const failing = new Set();
let swapped = () => {};

/** Calls `look` after every part that has come anew. */
export function onSwap(look) {
  swapped = look;
}

function readClock() {
  const about = document.querySelector("[data-now]");
  if (about) clock.aheadMs = Number(about.dataset.now) - Date.now();
}

function showAges() {
  const now = clock.now();
  for (const element of document.querySelectorAll("[data-time]")) {
    element.textContent = ageText(now - Number(element.dataset.time));
  }
}

// Signed out, here or elsewhere: what is shown is not this person's to see any more.
function end() {
  ended = true;
  document.dispatchEvent(new CustomEvent("session-ended"));
  document.querySelector("main").hidden = true;
  const link = document.createElement("a");
  link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = words.signIn;
  offline.replaceChildren(words.ended, " ", link);
  offline.hidden = false;
  state.textContent = words.signedOut;
  state.classList.add("away");
}

function showState() {
  if (ended) return;
  const well = streaming && !failing.size;
  state.textContent = well ? words.live : words.offline;
  state.classList.toggle("away", !well);
  offline.hidden = well;
  if (offline.textContent !== words.away) offline.textContent = words.away;
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

// What a button or a filter was refused, in the server's words.
async function sayRefused(response) {
  let problem;
  try {
    problem = await response.json();
  } catch {
    return; // no answer of this server: there are no words in it
  }
  // What is wrong with parameters is in the detail; its remedy is for programs.
  const parts = problem.errors?.length ? [problem.detail] : [problem.detail, problem.remedy];
  refused.textContent = parts.filter(Boolean).join(" · ");
  refused.hidden = false;
}

// Whoever presses again wants to know about that one.
document.addEventListener("htmx:before:request", (event) => {
  if (event.detail.ctx.request.method !== "GET") refused.hidden = true;
});

// An error page must not replace a part that is still good.
document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  if (ctx.response.status < 400) return;
  event.preventDefault();
  if (ctx.response.status === 401 && !ended) end();
  if (ctx.sourceElement === live) streaming = false;
  else if (ctx.response.status >= 500) failing.add(ctx.target?.id);
  else if (!ended) sayRefused(ctx.response.raw);
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
  swapped();
});

// The extension retries a line that was up once; a first connection that failed is left to us.
setInterval(() => {
  if (streaming) return;
  showState();
  if (!live._htmx?.sse) live.dispatchEvent(new CustomEvent("reconnect"));
}, RECONNECT_MS);
setInterval(showAges, 1_000);

readClock();
showAges();
if (streaming) showState();
