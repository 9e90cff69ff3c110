// What only the demo has: refusals to try, a second origin, and a vault that can be made to fail.
import { element } from "./show.js";

const controls = document.getElementById("controls");

// By where the fault lies. A name is read when its button is pressed.
const TRIES = {
  "try-page": [["a_b", "Not a secret’s name.", "Use letters, digits and hyphens."]],
  "try-vault": [
    ["expired-key", "Past its end date.", "Store a new version."],
    ["disabled-key", "Switched off in the vault.", "Enable it again."],
    ["tls-cert", "A certificate’s private key: never served.", "Keep keys out of pages."],
    ["database-password", "In the vault, but not allowed.", "Only if a page may have it: ALLOWED_SECRETS."],
    ["fresh-1", "Not yet in memory: shows the vault’s troubles below.", "Wait as long as the answer says."],
  ],
};

export function showDemo({ allowed, second, refused, vault, image }, hasSignIn, tryName) {
  const isAllowed = [allowed, second].includes(location.origin);
  const standing = document.getElementById("standing");
  standing.dataset.kind = isAllowed ? "good" : "bad";
  standing.append(element("strong", {}, isAllowed ? "An allowed origin." : "Not an allowed origin."));
  standing.hidden = false;

  for (const [id, tries] of Object.entries(TRIES)) {
    for (const [name, what, todo] of tries) {
      const button = element("button", { type: "button", className: "quiet" }, name);
      button.addEventListener("click", () => tryName(name));
      addTry(id, button, what, todo);
    }
  }
  if (image && location.origin === allowed) {
    const button = element("button", { type: "button", className: "quiet" }, "photos-key");
    button.addEventListener("click", () => tryName("photos-key"));
    addTry("try-page", button, "A SAS in place of the storage account’s key: it shows an image.", "");
  }
  if (isAllowed) {
    // Each allowed page has a rule of its own: what the other's gives does not exist here.
    const [its, theirs, elsewhere] =
      location.origin === second ? ["telemetry-key", "maps-key", allowed] : ["maps-key", "telemetry-key", second];
    for (const [name, what] of [
      [its, "This page’s own, by its rule."],
      [theirs, "The other page’s: here it does not exist."],
    ]) {
      const button = element("button", { type: "button", className: "quiet" }, name);
      button.addEventListener("click", () => tryName(name));
      addTry("try-page", button, what, "");
    }
    const link = element("a", { href: elsewhere, className: "button quiet" }, new URL(elsewhere).host);
    addTry("try-page", link, "The other page, with the other rule.", "");
  }
  const other = isAllowed ? refused : allowed;
  const link = element("a", { href: other, className: "button quiet" }, new URL(other).host);
  if (isAllowed) addTry("try-page", link, "This page at an origin that is not allowed.", "Add it to ALLOWED_ORIGINS.");
  else addTry("try-page", link, "This page at an origin that is allowed.", "");
  const signIn = hasSignIn
    ? ["Read it signed out, or as somebody who may not.", "Sign in above; ask for the role or scope."]
    : ["This demo asks for no sign-in.", "Its option --entra adds one."];
  document.getElementById("try-sign-in").append(element("li", {}, words(...signIn)));
  document.getElementById("tries").hidden = false;

  controls.querySelector(`[value="${vault}"]`).checked = true;
  controls.addEventListener("change", ({ target }) => change(target.value));
  controls.hidden = false;
}

function addTry(id, control, what, todo) {
  document.getElementById(id).append(element("li", {}, control, words(what, todo)));
}

function words(what, todo) {
  return element("span", {}, what, " ", element("span", { className: "todo" }, todo));
}

async function change(state) {
  const response = await fetch(`vault/${state}`, { method: "POST" }).catch(() => null);
  document.getElementById("trouble").textContent = response?.ok ? "" : "The demo’s server did not do that.";
}
