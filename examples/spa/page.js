// The page: one form, two ways to read a secret, one place for what comes of it.
import { showDemo } from "./demo.js";
import { readSecret } from "./secret.js";
import { authorization, credential, signIn, signOut } from "./session.js";
import { copies, showError, showNote, showValue } from "./show.js";
import { initTabs } from "./tabs.js";

// Longer than the handler lets anybody wait, and than it takes to start.
const PATIENCE_MS = 30_000;

const $ = (id) => document.getElementById(id);

/** Where the API is, whether one can sign in, and what only the demo has. A page of yours has this in its bundle. */
async function configuration() {
  try {
    const response = await fetch("config.json", { cache: "no-store" });
    return await response.json();
  } catch {
    return null;
  }
}

function start({ api, signIn: hasSignIn, demo }) {
  let client = null;
  const ways = {
    "tab-fetch": {
      file: "secret.js",
      async prepare() {},
      read: (name) =>
        readSecret(api, name, {
          // The second header is not needed. It makes the browser send a preflight, as a token or a function key would.
          headers: { ...authorization(), "x-ms-client-request-id": crypto.randomUUID() },
          signal: AbortSignal.timeout(PATIENCE_MS),
        }),
    },
    "tab-sdk": {
      file: "sdk.js",
      prepare: bundle,
      async read(name) {
        const { secretClient } = await bundle();
        client ??= secretClient(api, credential);
        const { value, properties } = await client.getSecret(name, { abortSignal: AbortSignal.timeout(PATIENCE_MS) });
        return { value, attributes: { exp: properties.expiresOn && properties.expiresOn / 1000 } };
      },
    },
  };
  let way;
  // Counts whatever changes the result area: what comes late for its turn is not shown.
  let turn = 0;

  function begin(note) {
    showNote(note);
    turn += 1;
    return turn;
  }

  async function read(name) {
    const mine = begin("Reading …");
    try {
      const secret = await way.read(name);
      if (mine === turn) showValue(name, secret);
    } catch (error) {
      if (mine === turn) showError(error);
    }
  }

  async function choose(tab) {
    const chosen = ways[tab.id];
    way = chosen;
    const mine = begin("Nothing has been read yet.");
    $("file").textContent = chosen.file;
    chosen.prepare().catch((error) => {
      if (mine === turn) showError(error);
    });
    const source = await fetch(chosen.file).then(
      (response) => response.text(),
      () => "",
    );
    if (way === chosen) $("source").textContent = source;
  }

  function changeSession(isSignedIn, words) {
    // A client keeps the token that it was given, so whoever signs in or out gets another client.
    client = null;
    begin("Nothing has been read yet.");
    $("who").textContent = words;
    $("sign-in").hidden = isSignedIn;
    $("choice").hidden = isSignedIn;
    $("sign-out").hidden = !isSignedIn;
    $(isSignedIn ? "sign-out" : "sign-in").focus();
  }

  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    read($("name").value.trim());
  });
  $("session").addEventListener("submit", async (event) => {
    event.preventDefault();
    const person = $("person").selectedOptions[0];
    const isSignedIn = await signIn(person.value).then(
      () => true,
      () => false,
    );
    changeSession(isSignedIn, isSignedIn ? `Signed in as someone who ${person.text}.` : "Signing in failed.");
  });
  $("sign-out").addEventListener("click", () => {
    signOut();
    changeSession(false, "Signed out.");
  });
  copies($("copy-code"), () => $("source").textContent);

  $("api").textContent = api;
  $("session").hidden = !hasSignIn;
  initTabs(document.querySelector("[role=tablist]"), choose);
  if (demo) {
    $("name").value = demo.names[0];
    showDemo(demo, (name) => {
      $("name").value = name;
      read(name);
    });
  }
}

/** sdk.js with Azure's packages, as npm built it. */
function bundle() {
  return import("./dist/sdk.js").catch((cause) => {
    throw Object.assign(new Error("There is no dist/sdk.js."), { code: "not-built", cause });
  });
}

const config = await configuration();
$("origin").textContent = location.origin;
if (config) start(config);
else showError({ code: "not-configured" });
// Only now, when everything has its place, so that nothing jumps.
document.querySelector("main").hidden = false;
