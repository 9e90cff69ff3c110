// Reads one secret. A 429 or 503 that names a short time is waited for and asked once more; `signal` cancels both.
// What goes wrong is thrown as an Error: with a message for people, a code for programs, and the response if there
// was one.
const LONGEST_WAIT_SECONDS = 5;

export async function readSecret(api, name, { headers, signal } = {}) {
  const url = `${api}/secrets/${encodeURIComponent(name)}`;
  let response = await ask(url, { headers, signal });
  const seconds = Number(response.headers.get("retry-after"));
  if ([429, 503].includes(response.status) && seconds > 0 && seconds <= LONGEST_WAIT_SECONDS) {
    await pause(seconds * 1000, signal);
    response = await ask(url, { headers, signal });
  }
  const body = await response.json().catch(() => signal?.throwIfAborted());
  if (response.ok && body) return body;
  const { code, innererror, message = `HTTP ${response.status}` } = body?.error ?? {};
  throw Object.assign(new Error(message), { code: innererror?.code ?? code, response });
}

/** A script is not told why the browser let nothing through: see the page's words for `blocked`. */
async function ask(url, init) {
  try {
    return await fetch(url, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw Object.assign(new Error("The browser let no answer through."), { code: "blocked", cause });
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
