// The page: one form, two ways to read a secret, one place for what comes of it.
import { showDemo } from "./demo.js";
import { readSecret } from "./secret.js";
import * as demoSession from "./session.js";
import { copies, element, showError, showNote, showValue } from "./show.js";
import { initTabs } from "./tabs.js";

// Longer than the handler lets anybody wait, and than it takes to start.
const PATIENCE_MS = 30_000;

const $ = (id) => document.getElementById(id);

/** Where the API is, how one signs in, and what only the demo has. A page of yours has this in its bundle. */
async function configuration() {
  try {
    const response = await fetch("config.json", { cache: "no-store" });
    return await response.json();
  } catch {
    return null;
  }
}

/** A part of the page with packages in it, as npm built it. */
function bundle(name) {
  return import(`./dist/${name}.js`).catch((cause) => {
    throw Object.assign(new Error(`There is no dist/${name}.js.`), { code: "not-built", cause });
  });
}

/** The two ways: the file that shows how, and how. */
function waysOf({ api, functionKey }, session) {
  const key = functionKey ? { "x-functions-key": functionKey } : {};
  // What SecretClient asks for a token when it is challenged, a `TokenCredential`.
  const credential = {
    async getToken() {
      const token = await session.token();
      // `null` would be an answer too, but the client makes an error of it that does not say why.
      if (!token) throw Object.assign(new Error("Signed out."), { code: "Unauthorized" });
      return token;
    },
  };
  return {
    "tab-fetch": {
      file: "secret.js",
      async prepare() {},
      async read(name, signal) {
        const token = await session.token();
        const authorization = token ? { authorization: `Bearer ${token.token}` } : {};
        // The last header is not needed. It makes the browser send a preflight, as a token or a function key would.
        const headers = { ...authorization, ...key, "x-ms-client-request-id": crypto.randomUUID() };
        return readSecret(api, name, { headers, signal });
      },
    },
    "tab-sdk": {
      file: "sdk.js",
      prepare: () => bundle("sdk"),
      async read(name, abortSignal) {
        const { secretClient } = await bundle("sdk");
        // A client keeps the token that it was given: another one for each read never has the one of who signed out.
        const { value, properties } = await secretClient(api, credential, { functionKey }).getSecret(name, { abortSignal });
        const { contentType, expiresOn } = properties;
        return { value, contentType, attributes: { exp: expiresOn && expiresOn / 1000 } };
      },
    },
  };
}

function start(config, session) {
  const ways = waysOf(config, session);
  let way;
  // What is being read; whatever else changes the result area ends it.
  let reading = new AbortController();

  function begin(...note) {
    reading.abort();
    reading = new AbortController();
    showNote(...note);
    return reading.signal;
  }

  async function read(name) {
    const cancel = element("button", { type: "button", className: "quiet", textContent: "Cancel" });
    cancel.addEventListener("click", () => begin("Cancelled."));
    const ended = begin("Reading …", cancel);
    try {
      const secret = await way.read(name, AbortSignal.any([ended, AbortSignal.timeout(PATIENCE_MS)]));
      if (!ended.aborted) showValue(name, secret, config.demo?.image);
    } catch (error) {
      if (!ended.aborted) showError(error, Boolean(session.user()));
    }
  }

  async function choose(tab) {
    const chosen = ways[tab.id];
    way = chosen;
    const ended = begin("Nothing has been read yet.");
    $("file").textContent = chosen.file;
    chosen.prepare().catch((error) => {
      if (!ended.aborted) showError(error);
    });
    const source = await fetch(chosen.file).then(
      (response) => response.text(),
      () => "",
    );
    if (way === chosen) $("source").textContent = source;
  }

  function showSession() {
    const who = session.user();
    $("who").textContent = who ? `Signed in as ${who}.` : "Signed out.";
    $("sign-in").hidden = Boolean(who);
    $("choice").hidden = Boolean(who) || Boolean(config.msal);
    $("sign-out").hidden = !who;
  }

  async function changeSession(change) {
    const ended = begin("Nothing has been read yet.");
    const error = await change().then(
      () => null,
      (error) => error,
    );
    showSession();
    $(session.user() ? "sign-out" : "sign-in").focus();
    if (error && !ended.aborted) showError(error);
  }

  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    read($("name").value.trim());
  });
  $("session").addEventListener("submit", (event) => {
    event.preventDefault();
    changeSession(() => session.signIn($("person").selectedOptions[0]));
  });
  $("sign-out").addEventListener("click", () => changeSession(() => session.signOut()));
  copies($("copy-code"), () => $("source").textContent);

  $("api").textContent = config.api;
  $("session").hidden = !config.signIn;
  showSession();
  initTabs(document.querySelector("[role=tablist]"), choose);
  $("name").value = (location.origin === config.demo?.second ? "telemetry-key" : config.demo?.names[0]) ?? "";
  if (config.demo) {
    showDemo(config.demo, config.signIn, (name) => {
      $("name").value = name;
      read(name);
      $("result").scrollIntoView({ block: "nearest" });
    });
  }
}

/** Entra's, where the configuration has it; else the demo's. */
async function sessionOf({ msal }) {
  if (!msal) return demoSession.createSession();
  const { createSession } = await bundle("msal");
  return createSession(msal);
}

const config = await configuration();
$("origin").textContent = location.origin;
try {
  if (config) start(config, await sessionOf(config));
  else showError({ code: "not-configured" });
} catch (error) {
  showError(error);
}
// Only now, when everything has its place, so that nothing jumps.
$("places").hidden = false;
document.querySelector("main").hidden = false;
