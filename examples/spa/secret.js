// Reads one secret. What goes wrong is thrown as an Error: with a message for people, a code for
// programs, and the response if there was one.
export async function readSecret(api, name, init) {
  const url = `${api}/secrets/${encodeURIComponent(name)}`;
  const response = await fetch(url, init).catch((cause) => {
    throw Object.assign(new Error("The browser let no answer through."), { code: "blocked", cause });
  });
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  const { code, innererror, message = `HTTP ${response.status}` } = body?.error ?? {};
  throw Object.assign(new Error(message), { code: innererror?.code ?? code, response });
}
