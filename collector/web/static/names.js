// Paints names where the server wrote pseudonyms. The names come from the vault straight into this
// page and stay in its memory: never in an address, a form, a storage, or a request to the collector.

import { RETRY_MS, Trouble, VAULT, askCollector, askVault } from "./asking.js";
import * as glass from "./break_glass.js";
import { words } from "./words.js";

const HIDDEN_MS_MAX = 5 * 60_000;
const ASKED_MAX = 100;
const NAME_CHARS_MAX = 100;
const note = document.getElementById("names-note");

// By purpose: the token, whether break-glass is open for it, and what was answered under it, a null
// where the vault knows no name.
const sessions = new Map();
const waiting = new Set();
// By purpose: why there are no names, when to ask again, and whether an emergency opens them.
const troubles = new Map();
let hiddenTimer = 0;

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
  const found = [...troubles].filter(([purpose]) => shown.has(purpose));
  const [purpose, trouble] = found.find(([, one]) => one.opens) ?? found[0] ?? [];
  const word = VAULT ? trouble && `names${trouble.kind}` : "namesOff";
  note.hidden = !word || !shown.size;
  const text = note.hidden ? "" : words[word];
  if (note.textContent !== text) note.textContent = text;
  glass.show(trouble?.opens ? purpose : null);
  note.parentElement.hidden = [...note.parentElement.children].every((one) => one.hidden);
}

// A token's end takes the names with it; a page that somebody looks at then asks anew.
function forget(purpose) {
  clearTimeout(sessions.get(purpose)?.timer);
  sessions.delete(purpose);
}

function forgetAll() {
  glass.shut();
  for (const purpose of [...sessions.keys()]) forget(purpose);
  paint();
}

async function session(purpose) {
  const known = sessions.get(purpose);
  if (known) return known;
  const answer = await askCollector("/api/v1/resolve-token", { purpose });
  const { token, expires_in_s: lifeS, break_glass: breakGlass } = answer;
  const made = { token, breakGlass, people: new Map() };
  made.timer = setTimeout(() => {
    forget(purpose);
    look();
  }, lifeS * 1_000);
  sessions.set(purpose, made);
  return made;
}

async function askAs(purpose, path, question) {
  const { token } = await session(purpose);
  try {
    return await askVault(path, token, question);
  } catch (error) {
    if (error.status === 401) forget(purpose);
    throw error;
  }
}

// Only what was asked for, and only what looks like a name.
function read(answer, pseudonyms) {
  if (typeof answer?.people !== "object" || answer.people === null) throw new Trouble("Garbage");
  return pseudonyms.map((one) => {
    const name = Object.hasOwn(answer.people, one) ? answer.people[one]?.name : null;
    if (name !== null && (typeof name !== "string" || !name || name.length > NAME_CHARS_MAX)) {
      throw new Trouble("Garbage");
    }
    return [one, name];
  });
}

async function resolve(purpose) {
  const { breakGlass, people } = await session(purpose);
  if (!glass.isOpen(purpose, breakGlass)) throw new Trouble(breakGlass === "required" ? "Closed" : "Refused", 403);
  const pseudonyms = unknown(purpose);
  if (!pseudonyms.length) return;
  const answer = await askAs(purpose, "/v1/resolve", { pseudonyms });
  for (const [pseudonym, name] of read(answer, pseudonyms)) people.set(pseudonym, name);
}

function unknown(purpose) {
  const people = sessions.get(purpose)?.people;
  const wanted = elements().filter((one) => one.dataset.purpose === purpose).map((one) => one.dataset.pseudonym);
  return [...new Set(wanted)].filter((one) => !people?.has(one)).slice(0, ASKED_MAX);
}

function remember(purpose, { kind, status, waitMs }) {
  const isRefused = status === 403;
  const opens = isRefused && ["possible", "required"].includes(sessions.get(purpose)?.breakGlass);
  troubles.set(purpose, { kind, opens, againMs: Date.now() + waitMs });
  // A reviewer may have objected: then the grant is over before its time.
  if (isRefused && glass.drop(purpose)) forget(purpose);
}

async function ask(purpose) {
  if (waiting.has(purpose) || Date.now() < (troubles.get(purpose)?.againMs ?? 0) || !unknown(purpose).length) return;
  waiting.add(purpose);
  const grant = glass.grantOf(purpose);
  try {
    await resolve(purpose);
    troubles.delete(purpose);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    // What was refused before somebody broke the glass says nothing of after.
    if (glass.grantOf(purpose) === grant) remember(purpose, error);
  } finally {
    waiting.delete(purpose);
    paint();
  }
  if (!troubles.has(purpose) && unknown(purpose).length) ask(purpose);
}

function look() {
  for (const purpose of glass.sweep()) forget(purpose);
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
document.addEventListener("session-ended", forgetAll);
window.addEventListener("pageshow", look);
setInterval(look, RETRY_MS);
glass.start({
  ask: (purpose, question) => askAs(purpose, "/v1/break-glass", question),
  changed(purpose) {
    forget(purpose);
    troubles.delete(purpose);
    look();
  },
  look,
});
look();
