// Errors in plain words: those of secret.js and those of SecretClient, which say the same in different places.

// By the innermost code. What happened, and what a person can do about it.
const WORDS = {
  BadParameter: ["That cannot be a secret's name.", "A name has letters, digits and hyphens, 127 at most."],
  Unauthorized: ["You are signed out.", "Sign in, and try again."],
  CallerNotAllowed: [
    "You are signed in, but you may not read secrets here.",
    "Ask for access, or sign in as someone who may.",
  ],
  SecretDisabled: ["This secret is disabled.", "Whoever looks after the vault can enable it again."],
  SecretExpired: ["This secret has expired.", "Whoever looks after the vault can store a new version."],
  SecretNotYetValid: ["This secret is not valid yet.", "Try again after the date from which it is."],
  SecretNotFound: [
    "This app gives out no secret of that name.",
    "There is none, or it is not on the app's list. It does not say which.",
  ],
  NotFound: ["There is no secret at that address.", "The address of the API ends in /api."],
  Throttled: ["The vault is asked too often.", "Try again shortly."],
  VaultUnavailable: ["The vault cannot be reached.", "Try again shortly."],
  AuthorityUnavailable: ["Sign-ins cannot be checked now.", "Try again shortly."],
  VaultAccessDenied: [
    "The vault refuses the app itself.",
    "The app's managed identity may not read this vault: its access policy (get) or its role is missing.",
  ],
  timeout: ["No answer came in time.", "Try again shortly."],
  "not-built": ["SecretClient has not been bundled yet.", "In the repository run these two, and reload the page:"],
  "not-configured": ["This page does not know its API.", "It expects a file config.json beside it:"],
  unknown: [
    "The answer was not one of keyvault-cors.",
    "Is the API's address right, and the function key, if it asks for one?",
  ],
};

const TO_COPY = {
  "not-built": "npm ci --prefix examples/spa\nnpm run build --prefix examples/spa",
  "not-configured": '{"api": "https://HOST/api"}',
};

/** `{ code, title, advice, toCopy, status, requestId }` of whatever was thrown. */
export function explain(error) {
  const code = codeOf(error);
  if (code === "blocked") {
    // A script is never told why: a refused origin and an API that is not there look the same to it.
    const either = `Either ${location.origin} is not an allowed origin, or nothing answers at the API's address.`;
    const advice = `${either} The browser's console says which.`;
    return { code, title: "The browser kept the answer from this page.", advice };
  }
  const [title, usual] = WORDS[code];
  const { status, headers } = error.response ?? {};
  const retryAfter = headers?.get("retry-after");
  const advice = retryAfter ? `Try again in ${seconds(retryAfter)}.` : usual;
  return { code, title, advice, toCopy: TO_COPY[code], status, requestId: headers?.get("x-ms-request-id") };
}

function codeOf(error) {
  const isLate = [error.name, error.cause?.name].some((name) => name === "AbortError" || name === "TimeoutError");
  if (isLate) return "timeout";
  // SecretClient has the innermost code in `details`, and a name of its own for what the browser blocks.
  const code = error.details?.error?.innerError?.code ?? error.code;
  if (code === "REQUEST_SEND_ERROR") return "blocked";
  return code === "blocked" || Object.hasOwn(WORDS, code) ? code : "unknown";
}

function seconds(count) {
  return count === "1" ? "1 second" : `${count} seconds`;
}
