// Errors in plain words: those of secret.js, of SecretClient and of MSAL, which say the same in different places.

// By the innermost code. What happened, and what a person can do about it.
const WORDS = {
  BadParameter: ["That cannot be a secret’s name.", "Use letters, digits and hyphens, 127 at most."],
  Unauthorized: ["You are signed out.", "Sign in, then read it again."],
  "not-accepted": ["The API does not accept this sign-in.", "Sign in again: it may have expired."],
  consent: [
    "This page may not ask for secrets in your name yet.",
    "Consent is missing. Sign in again and accept, or ask an administrator of your tenant to grant it.",
  ],
  "sign-in": ["Nobody signed in.", "The window was closed or blocked. Allow popups for this page, and try again."],
  CallerNotAllowed: [
    "You are signed in, but you may not read secrets here.",
    "Ask whoever runs the app for its role or scope, or sign in as someone who has it.",
  ],
  OriginNotAllowed: [
    "The app does not allow this page’s origin.",
    `Add ${globalThis.location?.origin} to ALLOWED_ORIGINS: the platform’s CORS list has it, the app’s has not.`,
  ],
  "missing-key": [
    "The function key is missing or wrong.",
    "Send it in x-functions-key; `az functionapp function keys list` shows it.",
  ],
  SecretDisabled: ["This secret is disabled.", "Enable it again in the vault."],
  SecretExpired: ["This secret has expired.", "Store a new version in the vault."],
  SecretNotYetValid: ["This secret is not valid yet.", "Try again after the date from which it is."],
  SecretNotFound: [
    "This app gives out no secret of that name.",
    "It is not in the vault, not in ALLOWED_SECRETS, or a certificate’s. The answer does not say which; the log does.",
  ],
  NotFound: ["There is no secret at that address.", "The address of the API ends in /api."],
  Throttled: ["The vault is asked too often.", "Try again shortly."],
  VaultUnavailable: ["The vault cannot be reached.", "Try again shortly."],
  AuthorityUnavailable: ["Sign-ins cannot be checked now.", "Try again shortly."],
  VaultAccessDenied: [
    "The vault refuses the app itself.",
    "Give the app’s managed identity the role Key Vault Secrets User, or the access policy “get”.",
  ],
  timeout: ["No answer came in time.", "Try again shortly."],
  "not-built": ["This part of the page has not been bundled yet.", "Run these two in the repository, and reload the page:"],
  "not-configured": ["This page does not know its API.", "Put a file config.json beside it:"],
  blocked: [
    "The browser kept the answer from this page.",
    "It does not tell a script why. The browser’s console and network tab name a status, or none:",
  ],
  unknown: ["The answer was not one of keyvault-cors.", "Check the API’s address: it ends in /api."],
};

const TO_COPY = {
  "not-built": "npm ci --prefix examples/spa\nnpm run build --prefix examples/spa",
  "not-configured": '{"api": "https://HOST/api"}',
};

// Where the Functions host's own CORS is on, it answers preflights in the app's place, and its 401 can be read.
const PLATFORM =
  "On Flex Consumption the platform answers the preflight: with 204 but no Access-Control-Allow-Origin, the origin is missing from its own CORS list.";

/** Why a browser lets nothing through: how it shows, and what to do. */
function causes() {
  return [
    ["Wrong origin: status 403.", `Add ${location.origin} to ALLOWED_ORIGINS, exactly as written here.`],
    ["Missing function key: status 401.", "The Functions host refuses before the app is asked. Send x-functions-key."],
    ["Nothing there: no status at all.", "Check the API’s address, and whether the app runs."],
  ];
}

/** `{ code, title, advice, causes, note, toCopy, status, requestId }` of whatever was thrown. */
export function explain(error, isSignedIn = false) {
  let code = codeOf(error);
  const { status, headers } = error.response ?? {};
  if (code === "Unauthorized" && isSignedIn) code = "not-accepted";
  const [title, usual] = WORDS[code];
  const retryAfter = headers?.get("retry-after");
  const resource = /resource="([^"]+)"/.exec(headers?.get("www-authenticate") ?? "")?.[1];
  let advice = retryAfter ? `Try again in ${seconds(retryAfter)}.` : usual;
  if (code === "not-accepted" && resource) advice += ` If it is new, its scope must begin with ${resource}/.`;
  return {
    code,
    title,
    advice,
    causes: code === "blocked" ? causes() : [],
    note: code === "blocked" ? PLATFORM : undefined,
    toCopy: TO_COPY[code],
    status,
    requestId: headers?.get("x-ms-request-id"),
  };
}

// What MSAL calls it.
const MSAL_CODES = {
  consent_required: "consent",
  access_denied: "consent",
  user_cancelled: "sign-in",
  popup_window_error: "sign-in",
  empty_window_error: "sign-in",
  timed_out: "sign-in",
  interaction_required: "not-accepted",
  login_required: "not-accepted",
  invalid_grant: "not-accepted",
};

function codeOf(error) {
  const isLate = [error.name, error.cause?.name].some((name) => name === "AbortError" || name === "TimeoutError");
  if (isLate) return "timeout";
  if (Object.hasOwn(MSAL_CODES, error.errorCode ?? "")) return MSAL_CODES[error.errorCode];
  // SecretClient has the innermost code in `details`, and a name of its own for what the browser blocks.
  const code = error.details?.error?.innerError?.code ?? error.code;
  if (code === "REQUEST_SEND_ERROR") return "blocked";
  if (Object.hasOwn(WORDS, code ?? "")) return code;
  // The Functions host's own refusal has no body.
  const isBare401 = error.response?.status === 401 && !error.response.headers.has("www-authenticate");
  return isBare401 ? "missing-key" : "unknown";
}

function seconds(count) {
  return count === "1" ? "1 second" : `${count} seconds`;
}
