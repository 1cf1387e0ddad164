// What a reader, a file from a disk and a phone in a room must be able to do in Firefox too. Served and started by
// tests/test_firefox.py, which says where the pages are; one browser for all of it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import puppeteer from "puppeteer-core";

/** @typedef {import("puppeteer-core").Page} Page */
/** @type {{ firefox: string, server: string, light: string, kinds: string, guess: string, titles: string[],
 *   code: string }} */
const given = JSON.parse(process.env.LORA_IN_FIREFOX || "{}");
/** @type {string[]} what pages complained of, in their console or by an error that nothing caught */
const complaints = [];
/** @type {import("puppeteer-core").Browser} */
let browser;

before(async () => {
  browser = await puppeteer.launch({ browser: "firefox", executablePath: given.firefox });
});
after(async () => {
  await browser?.close();
});

/** A tab, a phone's where it is narrow. @param {string} address @param {number} width @param {number} height */
async function opened(address, width, height) {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error instanceof Error ? error.message : `${error}`));
  await page.setViewport({ width, height, hasTouch: width < 500 });
  await page.goto(address);
  return page;
}

/** Is this so, at last? @param {Page} page @param {string} so an expression of the page's */
const comes = (page, so) => page.waitForFunction(so, { polling: 50 }).catch((error) => {
  throw new Error(`never was: ${so}`, { cause: error });
});

/** @param {Page} page @param {string} selector */
const text = (page, selector) => page.$eval(selector, (node) => /** @type {HTMLElement} */ (node).innerText);
const frame = (/** @type {Page} */ page) => page.$eval(".player", (node) => Number(node.getAttribute("data-frame")));
const named = (/** @type {string} */ part) => `.player [data-part="${part}"]`;

/** How many colours a canvas on the screen has: an empty one has one. @param {Page} page */
const colours = (page) => page.$$eval(".player canvas", (all) => all.filter((c) => c.clientWidth).map((c) => {
  const g = /** @type {CanvasRenderingContext2D} */ (/** @type {HTMLCanvasElement} */ (c).getContext("2d"));
  return new Set(new Uint32Array(g.getImageData(0, 0, g.canvas.width, g.canvas.height).data.buffer)).size;
}));

/** Nothing lies beside the screen, whose scroll bar takes some of it. @param {Page} page */
const fits = async (page) => assert.deepEqual(...await page.evaluate(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  return /** @type {[number, number]} */ ([scrollWidth, clientWidth]);
}));

/** Where an element stands. @param {Page} page @param {string} selector */
async function boxOf(page, selector) {
  const found = await page.$(selector);
  await found?.scrollIntoView();
  const box = await found?.boundingBox();
  assert.ok(box, `${selector} is on the screen`);
  return box;
}

test("a plain page on a phone plays, steps and scrubs its film, and says what it shows", async () => {
  const page = await opened(given.light, 360, 740);
  await comes(page, "document.querySelector('.player')?.dataset.frames > 1");
  await fits(page);
  await page.keyboard.press("Tab"); // the link past the menu is there for keys
  await page.focus(".player");
  await page.keyboard.press("Home");
  assert.equal(await frame(page), 0);
  await page.keyboard.press("ArrowRight");
  assert.equal(await frame(page), 1);
  await page.keyboard.press(" ");
  await comes(page, "document.querySelector('.player').dataset.frame > 3");
  await page.keyboard.press(" ");
  const at = await frame(page);
  const last = await page.$eval(".player", (node) => Number(node.getAttribute("data-frames")) - 1);
  assert.ok(at > 3 && at <= last);
  const bar = await boxOf(page, named("scrub"));
  await page.touchscreen.tap(bar.x + bar.width / 2, bar.y + bar.height / 2);
  await comes(page, `Math.abs(document.querySelector('.player').dataset.frame - ${last / 2}) < ${last / 8}`);
  await page.click(named("numbers"));
  await comes(page, "document.querySelectorAll('.player .tables table td').length > 0");
  const heard = await page.$$eval(".player canvas", (all) => all.filter((c) => c.clientWidth).map((c) => c.ariaLabel));
  assert.ok(heard.length && heard.every((label) => label && /\. At .+: ./.test(label)), `${heard}`);
  assert.ok((await colours(page)).every((count) => count > 2));
  await page.close();
});

test("every kind of picture is drawn, dragged and read in a file; a still has nothing to play", async () => {
  const page = await opened(given.kinds, 1280, 900);
  await comes(page, "document.documentElement.dataset.leaf === '0'");
  await page.focus(".player");
  await page.click('.player [data-part="views"] [data-view=""]'); // all pictures
  await comes(page, `[...document.querySelectorAll('.player .cell, .player canvas')].length >= ${given.titles.length}`);
  const shown = await colours(page);
  assert.ok(shown.length === given.titles.length && shown.every((count) => count > 2), `${shown}`);
  assert.ok(await page.evaluate((titles) => titles.every((title) =>
    [...document.querySelectorAll(".player canvas")].some((c) => c.ariaLabel?.startsWith(`${title}. `)),
  ), given.titles));
  assert.match(await text(page, ".stage"), /base\s+<i>/); // a passage is text, whatever stands in it
  const { x, y, width, height } = await boxOf(page, ".player canvas");
  await page.mouse.move(x + width * 0.3, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width - 25, y + height / 2, { steps: 4 });
  await page.mouse.up();
  assert.equal(await frame(page), 4, "a curve is dragged to the end");
  assert.match(await text(page, ".narration"), /Step 4/);
  assert.match(await text(page, ".stage"), /\be\b/); // what is read and said is the last frame's
  await page.keyboard.press("PageDown");
  await comes(page, "document.documentElement.dataset.leaf === '1'");
  assert.equal(await page.$eval(".player", (node) => node.getAttribute("data-frames")), "1");
  assert.ok((await colours(page)).every((count) => count > 2));
  await page.keyboard.press(" ");
  assert.equal(await frame(page), 0);
  await page.close();
});

test("a curve is guessed by pointer before it is seen", async () => {
  const page = await opened(given.guess, 1280, 800);
  await comes(page, "document.querySelector('.player')?.dataset.asking");
  const { x, y, width, height } = await boxOf(page, ".player canvas");
  await page.mouse.move(x + 80, y + height * 0.5);
  await page.mouse.down();
  await page.mouse.move(x + width - 30, y + height * 0.55, { steps: 6 });
  await page.mouse.up();
  assert.equal(await frame(page), 0, "drawing does not scrub");
  await page.locator("::-p-text(That is my curve)").click();
  await comes(page, "document.querySelector('.player .told')?.textContent.includes('you were off by')");
  await page.close();
});

test("a phone in a room chooses, types and draws; what is answered without a connection is sent later", async () => {
  const page = await opened(`${given.server}/room/${given.code}`, 390, 800);
  const ask = (/** @type {string} */ kind) => fetch(`${given.server}/ask/${kind}`, { method: "POST" });
  const kept = async () => JSON.stringify(await (await fetch(`${given.server}/answers`)).json());
  const isIn = () => comes(page, "document.getElementById('status').textContent.startsWith('Your answer is in')");
  await comes(page, "document.getElementById('rest').textContent.startsWith('You are in')");
  await ask("choice");
  await comes(page, "document.querySelectorAll('#answers button').length === 3");
  await page.setOfflineMode(true);
  const second = await boxOf(page, "#answers button:nth-of-type(2)");
  await page.touchscreen.tap(second.x + 20, second.y + 10);
  await comes(page, "document.getElementById('status').textContent.includes('Your answer is kept here')");
  assert.equal(await kept(), "[]");
  await page.setOfflineMode(false);
  await isIn();
  assert.equal(await kept(), "[1]");
  await ask("number");
  await page.waitForSelector("#answers input");
  await page.type("#answers input", "0,7");
  await page.keyboard.press("Enter");
  await isIn();
  assert.equal(await kept(), "[0.7]");
  await ask("curve");
  await page.waitForSelector("#answers canvas");
  const { x, y, width, height } = await boxOf(page, "#answers canvas");
  await page.touchscreen.touchStart(x + 12, y + height - 12);
  for (const share of [0.3, 0.6, 1]) {
    await page.touchscreen.touchMove(x + 12 + share * (width - 24), y + 12 + (1 - share) * (height - 24));
  }
  await page.touchscreen.touchEnd();
  await isIn();
  const [curve] = JSON.parse(await kept());
  assert.equal(curve.length, 3);
  assert.ok(curve[0] < 0.2 && curve[2] > 3.8 && Math.abs(curve[1] - 2) < 0.6, `${curve}`);
  await fits(page);
  await page.close();
});

test("no page complained", () => {
  assert.deepEqual(complaints, []);
});
