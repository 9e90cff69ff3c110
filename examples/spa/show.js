// What the result area shows: nothing yet, a value, or what went wrong.
import { explain } from "./words.js";

const result = document.getElementById("result");

// A person who hides one value, on a shared screen say, wants the next one hidden too.
let isValueHidden = false;

const SAS = "application/vnd.ms-sastoken-storage";
// What a rule's GIVE makes of a key.
const TITLES = { [SAS]: "This is a SAS made from ", "application/jwt": "This is a token made from " };

/** `code` is empty unless something went wrong. */
function show(kind, code, ...children) {
  result.dataset.kind = kind;
  result.dataset.code = code;
  result.replaceChildren(...children);
}

export function showNote(text, ...more) {
  show("", "", element("p", {}, text), ...more);
}

/** `image` is the address of a blob, for a value that is a SAS for it. */
export function showValue(name, { value, contentType, attributes }, image) {
  const shown = element("pre", { id: "value", tabIndex: 0, role: "group" });
  const toggle = element("button", { type: "button", className: "quiet" });
  const update = () => {
    shown.textContent = isValueHidden ? "••••••••••••" : value;
    shown.ariaLabel = isValueHidden ? "Value, hidden" : "Value";
    toggle.textContent = isValueHidden ? "Show" : "Hide";
  };
  toggle.addEventListener("click", () => {
    isValueHidden = !isValueHidden;
    update();
  });
  update();
  const copy = element("button", { type: "button", className: "quiet", textContent: "Copy the value" });
  copies(copy, () => value);
  const expires = attributes?.exp;
  show(
    "good",
    "",
    element("p", { className: "title" }, TITLES[contentType] ?? "This is the value of ", element("code", {}, name)),
    ...(image && contentType === SAS ? [photo(`${image}?${value}`)] : []),
    shown,
    element("p", { className: "tools" }, toggle, copy),
    small(expires ? `Good until ${new Date(expires * 1000).toLocaleString()}.` : "It has no end date."),
  );
}

export function showError(error, isSignedIn) {
  const { code, title, advice, causes, note, toCopy, status, requestId } = explain(error, isSignedIn);
  show(
    "bad",
    code,
    element("p", { className: "title" }, title),
    element("p", {}, advice),
    ...(causes.length ? [element("ol", {}, ...causes.map(cause))] : []),
    ...(note ? [small(note)] : []),
    ...(toCopy ? [element("pre", {}, toCopy)] : []),
    ...(status ? [small(element("code", {}, code === "unknown" ? `HTTP ${status}` : `${status} ${code}`))] : []),
    // The handler's log has it too.
    ...(requestId ? [small(element("code", {}, `request ${requestId}`))] : []),
  );
}

/** Makes `button` put a text on the clipboard and say so. */
export function copies(button, text) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(text()).then(
      () => true,
      () => false,
    );
    button.textContent = copied ? "Copied" : "Not copied";
    setTimeout(() => {
      button.textContent = label;
    }, 2000);
  });
}

/** Texts become text nodes: nothing that an answer contains is ever markup. */
export function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Its place is kept before it is there. An `<img>` needs no CORS. */
function photo(src) {
  return element("img", { src, width: 640, height: 360, alt: "A harbour at dusk: the blob that the SAS is for." });
}

function cause([sign, todo]) {
  return element("li", {}, element("strong", {}, sign), " ", todo);
}

function small(content) {
  return element("p", { className: "small" }, content);
}
