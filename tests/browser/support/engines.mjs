// The three engines: which programs drive them, and what a session needs to be asked for.

import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** Where cargo installs, which need not be on PATH. */
const TOOLS = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "bin");
const LOOPBACK = ["localhost", "127.0.0.1"];

/** The first of these programs that can be run: a name is looked up on PATH and where `run` installs, a path is not. */
function find(...names) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), TOOLS];
  const places = names.flatMap((name) => (name.includes("/") ? name : folders.map((folder) => join(folder, name))));
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** No traffic of the browser's own: it talks to this machine and to nobody else. */
const CHROMIUM_FLAGS = [
  "--headless=new",
  // Its sandbox needs a user that is not root, and user namespaces. Every page here is ours.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const FIREFOX_PREFS = {
  "app.normandy.enabled": false,
  "devtools.jsonview.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,#remote-settings-dummy/v1",
};

// Debian's and Ubuntu's places; 4.1 and 6.0 are the same engine for two versions of GTK.
const MINI_BROWSERS = ["x86_64", "aarch64"].flatMap((machine) =>
  ["4.1", "6.0", "4.0"].map((api) => `/usr/lib/${machine}-linux-gnu/webkit2gtk-${api}/MiniBrowser`),
);

/** A driver that does not say which port it got has an address that no other process listens on; so one a process. */
const OWN_ADDRESS = `127.${64 + (process.pid >> 16)}.${(process.pid >> 8) & 255}.${process.pid & 255}`;

const onLoopback = (port) => port && `127.0.0.1:${port[1]}`;

/**
 * For each engine: its browser and driver (`undefined` where not installed), the driver's arguments, its address by what it
 * has said so far (a port that is looked for beforehand may be somebody else's by then), and the capabilities of a session.
 * `proxy` is the address of a proxy for all but loopback names.
 */
export const ENGINES = {
  chromium: {
    browser: find("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    driver: find("chromedriver"),
    args: ["--port=0", "--log-level=SEVERE"],
    address: (said) => onLoopback(/^ChromeDriver was started successfully on port (\d+)\.$/m.exec(said)),
    capabilities: (binary, { args = [], proxy }) => ({
      "goog:chromeOptions": { binary, args: [...CHROMIUM_FLAGS, ...args] },
      "goog:loggingPrefs": { browser: "ALL" },
      ...(proxy && { proxy: { proxyType: "manual", httpProxy: proxy, sslProxy: proxy } }),
    }),
  },
  firefox: {
    browser: find("firefox-esr", "firefox"),
    driver: find("geckodriver"),
    // System access is what reads the browser's own console, where refused requests are explained.
    args: ["--port", "0", "--websocket-port", "0", "--log", "info", "--allow-system-access"],
    address: (said) => onLoopback(/\tINFO\tListening on 127\.0\.0\.1:(\d+)$/m.exec(said)),
    capabilities: (binary, { prefs = {}, proxy }) => ({
      "moz:firefoxOptions": { binary, args: ["-headless"], prefs: { ...FIREFOX_PREFS, ...prefs } },
      ...(proxy && { proxy: { proxyType: "manual", httpProxy: proxy, sslProxy: proxy, noProxy: LOOPBACK } }),
    }),
  },
  webkit: {
    browser: find(...MINI_BROWSERS),
    driver: find("WebKitWebDriver"),
    args: [`--host=${OWN_ADDRESS}`, "--port=4444"],
    address: () => `${OWN_ADDRESS}:4444`,
    capabilities: (binary, { args = [], proxy }) => ({
      "webkitgtk:browserOptions": {
        binary,
        // The driver would speak TLS to a proxy for TLS, so the proxy is an option of the browser's own.
        args: [
          "--automation",
          ...(proxy ? [`--proxy=http://${proxy}`, ...LOOPBACK.map((host) => `--ignore-host=${host}`)] : []),
          ...args,
        ],
      },
    }),
  },
};

/** The engine that the tests of this process run on. */
export const ENGINE = process.env.ENGINE ?? "chromium";

/** What an engine is missing, or `undefined`. */
export function missing(engine) {
  const { browser, driver } = ENGINES[engine];
  return [!browser && "its browser", !driver && "its driver"].filter(Boolean).join(" and ") || undefined;
}
