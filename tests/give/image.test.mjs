// `cargo run --example demo -- --image`: a browser shows a blob by the SAS that the handler gives, and the key is nowhere.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "../browser/support/browser.mjs";
import { startDemo } from "../browser/support/demo.mjs";
import { KEY } from "./azurite.mjs";

let page, running;
before(async () => {
  running = await startDemo("--image");
  page = await launch();
});
after(async () => {
  await page.close();
  await running.stop();
});

for (const tab of ["#tab-fetch", "#tab-sdk"]) {
  test(`${tab}: the page shows the image by its SAS, and never has the key`, async () => {
    await page.goto(running.allowed);
    await page.waitFor(() => !document.querySelector("main").hidden);
    await page.click(tab);
    await page.fill("#name", "photos-key");
    await page.click("#read");
    // 0 until the image is there, and for good when it is refused.
    await page.waitFor(() => document.querySelector("#result img")?.naturalWidth > 0);
    const { source, value, text } = await page.evaluate(() => ({
      source: document.querySelector("#result img").src,
      value: document.getElementById("value").textContent,
      text: document.documentElement.outerHTML,
    }));
    assert.match(value, /^sv=2022-11-02&spr=https&se=[^&]+&sr=b&sp=r&sig=[^&]+$/);
    assert.ok(source.endsWith(`/photos/harbour.svg?${value}`), source);
    for (const form of [KEY, encodeURIComponent(KEY)]) assert.ok(!text.includes(form), "the key is in the page");
    assert.doesNotMatch((await page.consoleText()) ?? "", /Content.Security.Policy/i);
  });
}

test("without the SAS the storage account shows nothing", async () => {
  const outcome = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve("shown");
        image.onerror = () => resolve("not shown");
        image.src = document.querySelector("#result img").src.split("?")[0];
      }),
  );
  assert.equal(outcome, "not shown");
});
