// Who is signed in, in the demo: its server stands in for Entra. In a page of yours msal.js does all of this.

export function createSession() {
  // In this variable and nowhere else: a token in storage is there for every script of the origin.
  let session = null;
  return {
    user: () => session?.who,
    async signIn({ value: address, text: who }) {
      const response = await fetch(address, { cache: "no-store" });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      // The demo's tokens live for an hour.
      session = { who: `someone who ${who}`, token: await response.text(), expiresOnTimestamp: Date.now() + 3_600_000 };
    },
    async signOut() {
      session = null;
    },
    token: async () => session,
  };
}
