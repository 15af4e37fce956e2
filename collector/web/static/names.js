// Paints names where the server wrote pseudonyms. The names come from the vault straight into this
// page and stay in its memory: never in an address, a form, a storage, or a request to the collector.

import { words } from "./words.js";

const VAULT = document.body.dataset.vault;
const HIDDEN_MS_MAX = 5 * 60_000;
const RETRY_MS = 15_000;
const ANSWER_MS_MAX = 10_000;
const ASKED_MAX = 100;
const NAME_CHARS_MAX = 100;
const note = document.getElementById("names-note");

// By purpose: the token and what was answered under it, a null where the vault knows no name.
const sessions = new Map();
const waiting = new Set();
// By purpose: why there are no names, and when to ask again.
const troubles = new Map();
let hiddenTimer = 0;

class Trouble extends Error {
  constructor(word, waitS = 0) {
    super(word);
    this.word = word;
    this.waitMs = Math.max(RETRY_MS, waitS * 1_000 || 0);
  }
}

function elements() {
  return [...document.querySelectorAll("[data-pseudonym][data-purpose]")].filter((one) => one.dataset.purpose);
}

// As the server shortens it (views.py).
const short = (pseudonym) => `${pseudonym.slice(0, 4)}-${pseudonym.slice(4, 8)}…`;

function paint() {
  for (const element of elements()) {
    const { pseudonym, purpose } = element.dataset;
    const name = sessions.get(purpose)?.people.get(pseudonym);
    const text = name ?? short(pseudonym);
    if (element.textContent !== text) element.textContent = text;
    element.classList.toggle("named", Boolean(name));
  }
  const shown = new Set(elements().map((one) => one.dataset.purpose));
  const word = VAULT ? [...troubles].find(([purpose]) => shown.has(purpose))?.[1].word : "namesOff";
  note.hidden = !word || !shown.size;
  const text = note.hidden ? "" : words[word];
  if (note.textContent !== text) note.textContent = text;
}

// A token's end takes the names with it; a page that somebody looks at then asks anew.
function forget(purpose) {
  clearTimeout(sessions.get(purpose)?.timer);
  sessions.delete(purpose);
}

function forgetAll() {
  for (const purpose of [...sessions.keys()]) forget(purpose);
  paint();
}

async function post(url, options) {
  try {
    return await fetch(url, {
      method: "POST", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(ANSWER_MS_MAX), ...options,
    });
  } catch {
    throw new Trouble("namesAway");
  }
}

async function json(response) {
  try {
    return await response.json();
  } catch {
    throw new Trouble("namesGarbage");
  }
}

async function session(purpose) {
  const known = sessions.get(purpose);
  if (known) return known;
  const response = await post("/api/v1/resolve-token", {
    headers: { "Content-Type": "application/json" }, body: JSON.stringify({ purpose }),
  });
  if (!response.ok) throw new Trouble("namesRefused");
  const { token, expires_in_s: lifeS } = await json(response);
  const made = { token, people: new Map() };
  made.timer = setTimeout(() => {
    forget(purpose);
    look();
  }, lifeS * 1_000);
  sessions.set(purpose, made);
  return made;
}

// Only what was asked for, and only what looks like a name.
function read(answer, pseudonyms) {
  if (typeof answer?.people !== "object" || answer.people === null) throw new Trouble("namesGarbage");
  return pseudonyms.map((one) => {
    const name = Object.hasOwn(answer.people, one) ? answer.people[one]?.name : null;
    if (name !== null && (typeof name !== "string" || !name || name.length > NAME_CHARS_MAX)) {
      throw new Trouble("namesGarbage");
    }
    return [one, name];
  });
}

async function resolve(purpose) {
  const { token, people } = await session(purpose);
  const pseudonyms = unknown(purpose);
  if (!pseudonyms.length) return;
  const response = await post(`${VAULT}/v1/resolve`, {
    mode: "cors", credentials: "omit",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify({ pseudonyms }),
  });
  if (response.status === 401) forget(purpose);
  if (response.status >= 500) throw new Trouble("namesAway");
  if (response.status === 429) throw new Trouble("namesLater", Number(response.headers.get("Retry-After")));
  if (!response.ok) throw new Trouble("namesRefused");
  for (const [pseudonym, name] of read(await json(response), pseudonyms)) people.set(pseudonym, name);
}

function unknown(purpose) {
  const people = sessions.get(purpose)?.people;
  const wanted = elements().filter((one) => one.dataset.purpose === purpose).map((one) => one.dataset.pseudonym);
  return [...new Set(wanted)].filter((one) => !people?.has(one)).slice(0, ASKED_MAX);
}

async function ask(purpose) {
  if (waiting.has(purpose) || Date.now() < (troubles.get(purpose)?.againMs ?? 0) || !unknown(purpose).length) return;
  waiting.add(purpose);
  try {
    await resolve(purpose);
    troubles.delete(purpose);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    troubles.set(purpose, { word: error.word, againMs: Date.now() + error.waitMs });
  } finally {
    waiting.delete(purpose);
    paint();
  }
  if (!troubles.has(purpose) && unknown(purpose).length) ask(purpose);
}

function look() {
  paint();
  if (!VAULT || document.hidden) return;
  for (const purpose of new Set(elements().map((one) => one.dataset.purpose))) ask(purpose);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(forgetAll, HIDDEN_MS_MAX);
  else look();
});
document.addEventListener("htmx:after:swap", look);
// A page that went into the browser's back-forward cache comes back without names.
window.addEventListener("pagehide", forgetAll);
window.addEventListener("pageshow", look);
setInterval(look, RETRY_MS);
look();
