// Questions to the collector and the vault, and why there was no answer.

export const VAULT = document.body.dataset.vault;
export const RETRY_MS = 15_000;
const ANSWER_MS_MAX = 10_000;

// kind: "Away", "Refused", "Closed", "Later" or "Garbage"; status: of HTTP, 0 without an answer.
export class Trouble extends Error {
  constructor(kind, status = 0, waitS = 0) {
    super(kind);
    this.kind = kind;
    this.status = status;
    this.waitMs = Math.max(RETRY_MS, waitS * 1_000 || 0);
  }
}

async function post(url, options) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(ANSWER_MS_MAX), ...options,
    });
  } catch {
    throw new Trouble("Away");
  }
  const { status } = response;
  if (status >= 500) throw new Trouble("Away", status);
  if (status === 429) throw new Trouble("Later", status, Number(response.headers.get("Retry-After")));
  if (!response.ok) throw new Trouble("Refused", status);
  try {
    return await response.json();
  } catch {
    throw new Trouble("Garbage");
  }
}

export const askCollector = (path, question) => post(path, {
  headers: { "Content-Type": "application/json" }, body: JSON.stringify(question),
});

export const askVault = (path, token, question) => post(`${VAULT}${path}`, {
  mode: "cors", credentials: "omit",
  headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
  body: JSON.stringify(question),
});
