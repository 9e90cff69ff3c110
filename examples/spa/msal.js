// Sign-in with Microsoft Entra ID through MSAL: in a popup, so call `signIn` from a click.
import { createStandardPublicClientApplication } from "@azure/msal-browser";

export async function createSession({ scope, ...auth }) {
  // `redirectUri` is a page that does nothing but hand Entra's answer over: redirect.html. Entra isolates its own
  // pages from yours (Cross-Origin-Opener-Policy), so that no script of yours could read the answer from the popup.
  const msal = await createStandardPublicClientApplication({ auth: { ...auth, redirectUri: "/redirect.html" } });
  const request = { scopes: [scope] };
  const account = () => msal.getAllAccounts()[0];
  return {
    /** The name of whoever is signed in, if anybody is. */
    user: () => account()?.username,
    async signIn() {
      await msal.loginPopup(request);
    },
    /** Out of this page alone; `msal.logoutPopup()` would end the person's session with Entra, too. */
    async signOut() {
      await msal.clearCache();
    },
    /** An access token, from memory or renewed, or null when nobody is signed in. */
    async token() {
      if (!account()) return null;
      const { accessToken, expiresOn } = await msal.acquireTokenSilent({ ...request, account: account() });
      return { token: accessToken, expiresOnTimestamp: expiresOn.getTime() };
    },
  };
}
