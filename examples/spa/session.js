// Who is signed in. The demo's server stands in for Entra; in a page of yours MSAL.js does all of this.

// In this variable and nowhere else: a token in storage outlives the page and is there for every script of the origin.
let session = null;

export async function signIn(address) {
  const response = await fetch(address, { cache: "no-store" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  // The demo's tokens live for an hour.
  session = { token: await response.text(), expiresOnTimestamp: Date.now() + 60 * 60 * 1000 };
}

export function signOut() {
  session = null;
}

export function authorization() {
  return session ? { authorization: `Bearer ${session.token}` } : {};
}

/** What SecretClient asks for a token when it is challenged, a `TokenCredential`. */
export const credential = {
  async getToken() {
    // `null` would be an answer too, but the client makes an error of it that does not say why.
    if (!session) throw Object.assign(new Error("Signed out."), { code: "Unauthorized" });
    return session;
  },
};
