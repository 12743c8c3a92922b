/**
 * The page of `npm run view` in a real Chromium, with a mesh whose answers the test changes: drawing, clicking, keys, a
 * vanishing mirror, a failing link, eight clusters, light and dark. That real clusters give such answers: tests/engine.
 */
import assert from "node:assert/strict";
import type { Server } from "node:http";
import { request } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { whichProgram } from "../../lib/files";
import { serve } from "../../view/server";
import { sampleMesh } from "../lib/sampleMesh";

let browser: Browser;
let page: Page;
let server: Server;
let url: string;
let mesh = sampleMesh();
let faults: string[];

before(async () => {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const found = process.env.CHROMIUM ?? (await Promise.all(names.map((name) => whichProgram(name)))).find(Boolean);
  assert.ok(found, "Chromium is not on PATH. Next: apt-get install chromium, or set CHROMIUM to its path");
  // Without a sandbox: root in a container may not make one. The page is our own.
  browser = await chromium.launch({ executablePath: found, args: ["--no-sandbox"] });
  ({ server, url } = await serve(() => Promise.resolve(mesh.status())));
});
after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

async function open(colorScheme: "light" | "dark" = "light"): Promise<Page> {
  faults = [];
  page = await browser.newPage({ colorScheme, viewport: { width: 1400, height: 900 } });
  page.on("pageerror", ({ message }) => faults.push(message));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  await page.goto(url);
  await page.waitForSelector("svg");
  return page;
}

beforeEach(() => {
  mesh = sampleMesh();
});

/** Runs the body on an open page, which must not report an error. */
function onPage(title: string, body: (page: Page) => Promise<void>): void {
  test(title, async () => {
    await open();
    try {
      await body(page);
      assert.deepEqual(faults, []);
    } finally {
      await page.close();
    }
  });
}

const part = (name: string) => page.locator(`[data-part="${name}"]`);

onPage("a click on a pod shows its mirror names and a request to type", async () => {
  await part("pod west default/nginx-svc nginx-set-0").first().click();
  const details = await page.locator("aside").innerText();
  assert.match(details, /Pod nginx-set-0/);
  assert.match(details, /In east: nginx-set-0-west/);
  assert.match(details, /kubectl --context k3d-east exec deploy\/curl .*nginx-set-0\.nginx-svc-west/);
});

onPage("clusters, links and services have details too", async () => {
  // In its middle is the box's list.
  await part("cluster west")
    .first()
    .click({ position: { x: 20, y: 10 } });
  assert.match(await page.locator("aside").innerText(), /k3d-west[^]*edge-26\.8\.3[^]*12[^]*365 days left/);
  await part("link east west").click();
  assert.match(await page.locator("aside").innerText(), /Link east to west\s+alive\s+last probe\s+3 ms/);
  await part("service west default/nginx-svc").first().click();
  assert.match(await page.locator("aside").innerText(), /In east: nginx-svc-west/);
});

onPage("a mirror that vanishes is named with the reason, within five seconds", async () => {
  const lost = mesh.facts("east").services.findIndex(({ metadata }) => metadata?.name === "nginx-set-1-west");
  mesh.facts("east").services.splice(lost, 1);
  await page.getByText("is not mirrored in east").waitFor({ timeout: 5_000 });
  await part("pod west default/nginx-svc nginx-set-1").first().click();
  assert.match(await page.locator("aside").innerText(), /missing: controller-west has not made it/);
});

onPage("a link that fails is marked within five seconds, and when it works again", async () => {
  mesh.facts("east").metrics.probes.west = { isAlive: false, answered: 10 };
  await part("link east west").getByText("east->west dead").waitFor({ timeout: 5_000 });
  assert.equal(await page.locator("path.line.bad").count(), 1);
  assert.equal(await page.title(), "dev: 1 to do");
  mesh = sampleMesh();
  await part("link east west").getByText("east->west 3 ms").waitFor({ timeout: 5_000 });
  assert.equal(await page.title(), "dev: all is well");
});

onPage("a cluster that is down is shown with the rest", async () => {
  mesh.answers.west = { down: "connect ECONNREFUSED" };
  await page.getByText("west does not answer: connect ECONNREFUSED").waitFor({ timeout: 5_000 });
  assert.equal(await page.locator("rect.box.bad").count(), 1);
  assert.equal(await page.locator("rect.box.good").count(), 1);
});

onPage("the keyboard reaches every part, selects it, and leaves it", async () => {
  const count = await page.locator("[data-part]").count();
  const reached = new Set<string>();
  for (let i = 0; i < count; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement?.getAttribute("data-part") ?? ""));
  }
  assert.ok(!reached.has(""), "Tab leads through the parts only");
  await part("pod west default/nginx-svc nginx-set-2").first().focus();
  await page.keyboard.press("Enter");
  assert.match(await page.locator("aside").innerText(), /Pod nginx-set-2/);
  assert.equal(await page.locator(".row.selected").count(), 2, "the pod, and its mirror");
  await page.keyboard.press("Escape");
  assert.match(await page.locator("aside").innerText(), /Select a cluster/);
});

test("light and dark follow the system, and text stands out from its ground", async () => {
  for (const scheme of ["light", "dark"] as const) {
    await open(scheme);
    const fill = (selector: string) =>
      page
        .locator(selector)
        .first()
        .evaluate((one) => getComputedStyle(one).fill);
    const [text, ground] = [await fill(".name"), await fill(".ground")];
    await page.close();
    assert.ok(contrast(text, ground) > 7, `${scheme}: ${text} on ${ground}`);
    assert.equal(luminance(ground) > 0.5, scheme === "light", ground);
  }
});

/** WCAG 2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const channels = (colour.match(/\d+/g) ?? []).slice(0, 3).map((value) => Number(value) / 255);
  const [r = 0, g = 0, b = 0] = channels.map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

test("eight clusters fit into the window, each with a name", async () => {
  mesh = sampleMesh(["a", "b", "c", "d", "e", "f", "g", "west"]);
  await open();
  await page.locator(".name").nth(7).waitFor();
  const { width } = (await page.locator("svg").boundingBox()) ?? { width: 0 };
  assert.ok(width > 0 && width <= 1400, String(width));
  assert.equal(await page.locator("path.line").count(), 28);
  assert.deepEqual(faults, []);
  await page.close();
});

test("the page is served on the loopback address to its own name only, without secrets", async () => {
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const asked = (host: string, path: string, method = "GET") =>
    new Promise<{ status?: number; body: string }>((resolve, reject) => {
      const { port } = new URL(url);
      const call = request({ host: "127.0.0.1", port, path, method, headers: { host } }, (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => {
          body += chunk.toString();
          // An event stream has no end.
          if (path === "/events") response.destroy();
        });
        response.on("close", () => resolve({ status: response.statusCode, body }));
      });
      call.on("error", reject).end();
    });
  const own = new URL(url).host;
  assert.equal((await asked("evil.example", "/")).status, 403);
  assert.equal((await asked("evil.example", "/events")).status, 403);
  assert.equal((await asked(own, "/", "POST")).status, 403);
  assert.equal((await asked(own, "/etc/passwd")).status, 404);
  const { body } = await asked(own, "/events");
  assert.match(body, /^data: \{/);
  assert.ok(!body.includes("secret"), "a kubeconfig is sent to the page");
});

test("while no page is open, no cluster is asked", async () => {
  let looks = 0;
  const { server: other, url: at } = await serve(() => {
    looks += 1;
    return Promise.resolve(mesh.status());
  });
  const visitor = await browser.newPage();
  await visitor.goto(at);
  await visitor.waitForSelector("svg");
  await visitor.close();
  const before = await new Promise<number>((resolve) => setTimeout(() => resolve(looks), 1_500));
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  assert.equal(looks, before);
  other.closeAllConnections();
  other.close();
});
