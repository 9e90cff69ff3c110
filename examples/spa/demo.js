// What only the demo has: names to try, a second origin, and a vault that can be made to fail.
import { element } from "./show.js";

const controls = document.getElementById("controls");

export function showDemo({ allowed, refused, names, vault }, tryName) {
  const isAllowed = location.origin === allowed;
  const standing = document.getElementById("standing");
  standing.dataset.kind = isAllowed ? "good" : "bad";
  standing.append(
    element("strong", {}, isAllowed ? "An allowed origin." : "Not an allowed origin."),
    " ",
    isAllowed
      ? element("a", { href: refused }, "See the page at one that is not")
      : element("a", { href: allowed }, "See the page at one that is"),
  );
  standing.hidden = false;

  const group = document.getElementById("names");
  for (const name of names) {
    const button = element("button", { type: "button", className: "quiet" }, name);
    button.addEventListener("click", () => tryName(name));
    group.append(button);
  }
  group.hidden = false;

  controls.querySelector(`[value="${vault}"]`).checked = true;
  controls.addEventListener("change", ({ target }) => change(target.value));
  controls.hidden = false;
}

async function change(state) {
  const response = await fetch(`vault/${state}`, { method: "POST" }).catch(() => null);
  document.getElementById("trouble").textContent = response?.ok ? "" : "The demo's server did not do that.";
}
