// Tabs as the ARIA Authoring Practices describe them: arrows, Home and End move and choose; Tab leaves them.
// Both tabs control one panel, because what is in it differs in the code alone.

export function initTabs(list, choose) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const panel = document.getElementById(tabs[0].getAttribute("aria-controls"));

  function select(tab) {
    for (const each of tabs) {
      each.setAttribute("aria-selected", String(each === tab));
      each.tabIndex = each === tab ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", tab.id);
    choose(tab);
  }

  list.addEventListener("click", ({ target }) => {
    if (tabs.includes(target)) select(target);
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(event.target);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = tabs.at(to % tabs.length);
    tab.focus();
    select(tab);
  });
  select(tabs[0]);
}
