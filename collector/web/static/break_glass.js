// Break-glass: names for some minutes of an emergency. The reason goes straight to the vault, is in no
// address and no storage, and is forgotten with the dialog. Kept for this tab, so that a page that is
// loaded again knows it: for which purpose, until when.

import { Trouble } from "./asking.js";
import { clock, words } from "./words.js";

const KEPT = "break-glass";
const MS_PER_MINUTE = 60_000;
const WATCH_MS_MIN = 100;
const [dialog, about, reason, count, trouble, opener, ender, until] = [
  "glass", "glass-purpose", "glass-reason", "glass-count", "glass-trouble", "glass-open", "glass-end", "names-until",
].map((id) => document.getElementById(id));
const confirmer = dialog?.querySelector("button.primary");
const purposeWords = JSON.parse(dialog?.dataset.purposes ?? "{}");
const charsMin = Number(dialog?.dataset.charsMin);
const charsMax = Number(dialog?.dataset.charsMax);

// By purpose: until when the vault's grant holds, ms UTC, and whether its names are shown: whoever ends
// that early sees them again only by asking anew.
const grants = new Map(dialog ? kept() : []);
// What the dialog asks for; null when nobody asks.
let asked = null;
let proposed = null;
let hasEnded = false;
let handlers;

function kept() {
  try {
    const found = Object.entries(JSON.parse(sessionStorage.getItem(KEPT)) ?? {});
    return found.filter(([purpose, one]) => Object.hasOwn(purposeWords, purpose) && Number.isSafeInteger(one?.untilMs));
  } catch {
    return [];
  }
}

function keep() {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(grants)));
  } catch {
    // Without a storage the grants end with the page.
  }
}

// Whether the vault may be asked: not in vain for what it gives by break-glass only, and not for what
// somebody has ended.
export function isOpen(purpose, breakGlass) {
  return grants.get(purpose)?.shown ?? breakGlass !== "required";
}

export const grantOf = (purpose) => grants.get(purpose);

// The vault does not give them any more; whether it was a grant that had opened them.
export function drop(purpose) {
  if (!grants.get(purpose)?.shown) return false;
  grants.delete(purpose);
  keep();
  return true;
}

// The purposes whose time is over.
export function sweep() {
  const over = [...grants].filter(([, one]) => one.untilMs <= clock.now()).map(([purpose]) => purpose);
  for (const purpose of over) grants.delete(purpose);
  if (over.length) keep();
  return over;
}

// purpose: one that can be asked for now, or null.
export function show(purpose) {
  if (!dialog) return;
  proposed = purpose;
  opener.hidden = !purpose;
  const shown = [...grants].filter(([, one]) => one.shown);
  until.hidden = ender.hidden = !shown.length;
  const text = shown.map(([one, { untilMs }]) => words.namesUntil(timeText(untilMs), purposeWords[one])).join(" ");
  if (until.textContent !== text) until.textContent = text;
  if (hasEnded && purpose) {
    hasEnded = false;
    queueMicrotask(followFocus);
  }
}

// The button that ended it has gone; a keyboard goes on where it was.
function followFocus() {
  if (document.activeElement === document.body) opener.focus({ preventScroll: true });
}

function timeText(ms) {
  const { zone } = dialog.dataset;
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone }).format(ms);
}

export function shut() {
  if (!asked) return;
  asked = null;
  reason.value = "";
  accept();
  dialog.close();
}

function open() {
  asked = { purpose: proposed };
  about.textContent = purposeWords[proposed];
  dialog.querySelector("form").reset();
  countReason();
  dialog.showModal();
  reason.focus();
}

// Code points, as the vault counts; a string's own length counts some characters twice.
function countReason() {
  const length = [...reason.value.trim()].length;
  count.textContent = `${length} / ${charsMin}–${charsMax}`;
  const fits = length >= charsMin && length <= charsMax;
  if (fits && reason.hasAttribute("aria-invalid")) accept();
  return fits;
}

function accept() {
  reason.removeAttribute("aria-invalid");
  trouble.textContent = "";
}

function complain(text) {
  reason.setAttribute("aria-invalid", "true");
  trouble.textContent = text;
  reason.focus();
}

async function confirm(event) {
  event.preventDefault();
  const wish = asked;
  if (!wish || confirmer.hasAttribute("aria-disabled")) return;
  if (!countReason()) {
    complain(words.glassReason(charsMin, charsMax));
    return;
  }
  const minutes = Number(dialog.querySelector("input:checked").value);
  trouble.textContent = "";
  confirmer.setAttribute("aria-disabled", "true");
  try {
    const grant = await request(wish.purpose, minutes);
    // Closed meanwhile: nobody wants to see them any more.
    if (asked !== wish) return;
    grants.set(wish.purpose, grant);
    keep();
    shut();
    watch(grant);
    handlers.changed(wish.purpose);
    until.focus();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (asked !== wish) return;
    if (error.status === 422) complain(words.glassReason(charsMin, charsMax));
    else trouble.textContent = words[`glass${error.kind}`];
  } finally {
    confirmer.removeAttribute("aria-disabled");
  }
}

async function request(purpose, minutes) {
  const answer = await handlers.ask(purpose, { purpose, reason: reason.value.trim(), minutes });
  if (answer?.purpose !== purpose || !Number.isSafeInteger(answer.expires_ms)) throw new Trouble("Garbage");
  return { untilMs: Math.min(answer.expires_ms, clock.now() + minutes * MS_PER_MINUTE), shown: true };
}

// Looks again where the clock has been set back meanwhile.
function watch(grant) {
  setTimeout(() => {
    handlers.look();
    if ([...grants.values()].includes(grant)) watch(grant);
  }, Math.max(WATCH_MS_MIN, grant.untilMs - clock.now()));
}

function end() {
  const shown = [...grants.keys()].filter((purpose) => grants.get(purpose).shown);
  for (const purpose of shown) grants.set(purpose, { ...grants.get(purpose), shown: false });
  keep();
  hasEnded = true;
  for (const purpose of shown) handlers.changed(purpose);
}

// ask: puts a question to the vault. changed: what is shown for a purpose has to be found anew. look:
// the time of a grant is over.
export function start(given) {
  handlers = given;
  if (!dialog) return;
  opener.addEventListener("click", open);
  ender.addEventListener("click", end);
  reason.addEventListener("input", countReason);
  dialog.addEventListener("close", shut);
  document.getElementById("glass-cancel").addEventListener("click", shut);
  dialog.querySelector("form").addEventListener("submit", confirm);
  for (const grant of grants.values()) watch(grant);
}
