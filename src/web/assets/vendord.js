// What the pages do beyond being read. Without it they are complete.
"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.body.dataset.root;

  // Ages go on.
  const age = (seconds) => {
    const units = [[172800, 86400, "d"], [3600, 3600, "h"], [60, 60, "min"], [1, 1, "s"]];
    const [, size, word] = units.find(([from]) => seconds >= from) || units[3];
    const rest = size === 3600 ? Math.floor(seconds % 3600 / 60) : 0;
    return `${Math.floor(seconds / size)} ${word}${rest ? ` ${rest} min` : ""} ago`;
  };
  const tick = () => all("time[data-ago]").forEach((time) => {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    time.textContent = seconds < 1 ? "now" : age(seconds);
  });
  setInterval(tick, 5000);

  // Filter while typing; the rows that a group has left are counted.
  const filter = () => {
    const input = one(".filter input[type=search]");
    if (!input) return;
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    all("[data-find]").forEach((row) => { row.hidden = !words.every((word) => row.dataset.find.includes(word)); });
    all(".group").forEach((group) => {
      const left = all("[data-find]:not([hidden])", group).length;
      group.hidden = !left;
      one(".count", group).textContent = left;
    });
  };
  document.addEventListener("input", (event) => { if (event.target.matches(".filter input[type=search]")) filter(); });
  document.addEventListener("change", (event) => { if (event.target.matches(".filter select")) event.target.form.requestSubmit(); });
  const tidy = () => {
    all(".filter:has([type=search]) button").forEach((button) => { button.hidden = true; });
    all("button[data-copy]").forEach((button) => { button.hidden = false; });
  };

  // A day under the pointer, or under the arrow keys.
  const dayOf = (bar, index) => {
    let first = 0;
    for (const run of all("li", bar)) {
      const days = Number(run.dataset.n);
      if (index < first + days) return run.textContent;
      first += days;
    }
    return "";
  };
  const total = (bar) => all("li", bar).reduce((sum, run) => sum + Number(run.dataset.n), 0);
  const hide = () => all(".tip, .cursor").forEach((shown) => shown.remove());
  const show = (bar, index) => {
    hide();
    const svg = one("svg", bar), box = bar.getBoundingClientRect(), days = total(bar);
    const scale = Math.max(box.width / svg.viewBox.baseVal.width, box.height / svg.viewBox.baseVal.height);
    const width = svg.viewBox.baseVal.width / days;
    const x = box.width - (svg.viewBox.baseVal.width - (index + .5) * width) * scale;
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of [["x", index * width - .5], ["y", 0], ["width", width], ["height", svg.viewBox.baseVal.height], ["class", "cursor"]]) cursor.setAttribute(name, value);
    svg.append(cursor);
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("role", "status");
    tip.textContent = dayOf(bar, index);
    bar.append(tip);
    const half = tip.offsetWidth / 2, left = Math.min(Math.max(box.left + x, half + 6), document.documentElement.clientWidth - half - 6);
    tip.style.left = `${left - box.left}px`;
    bar.dataset.day = index;
  };
  const under = (bar, clientX) => {
    const svg = one("svg", bar), box = bar.getBoundingClientRect(), days = total(bar);
    const scale = Math.max(box.width / svg.viewBox.baseVal.width, box.height / svg.viewBox.baseVal.height);
    const fromRight = (box.right - clientX) / scale;
    return Math.min(days - 1, Math.max(0, Math.floor((svg.viewBox.baseVal.width - fromRight) / svg.viewBox.baseVal.width * days)));
  };
  document.addEventListener("pointermove", (event) => {
    const bar = event.target.closest?.(".bar");
    if (bar && one("li", bar)) show(bar, under(bar, event.clientX)); else if (!document.activeElement?.matches?.(".bar")) hide();
  });
  document.addEventListener("focusin", (event) => { const bar = event.target.closest(".bar"); if (bar && bar.matches(":focus-visible")) show(bar, Number(bar.dataset.day ?? total(bar) - 1)); });
  document.addEventListener("focusout", hide);

  // Keys.
  let row = -1, before = "";
  const move = (by) => {
    const rows = all("[data-find]:not([hidden])").filter((tr) => tr.offsetParent);
    if (!rows.length) return;
    row = Math.min(rows.length - 1, Math.max(0, row + by));
    all(".at").forEach((tr) => tr.classList.remove("at"));
    rows[row].classList.add("at");
    one("a", rows[row]).focus({ preventScroll: true });
    rows[row].scrollIntoView({ block: "nearest" });
  };
  const keys = { "/": () => one("input[type=search]")?.focus(), j: () => move(1), k: () => move(-1), t: () => one(".theme").click() };
  const chords = { f: "/", i: "/incidents" };
  document.addEventListener("keydown", (event) => {
    const bar = event.target.closest?.(".bar");
    if (bar && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      const index = Number(bar.dataset.day ?? total(bar) - 1) + (event.key === "ArrowLeft" ? -1 : 1);
      show(bar, Math.min(total(bar) - 1, Math.max(0, index)));
      event.preventDefault();
      return;
    }
    if (event.key === "Escape") hide();
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (before === "g" && chords[event.key]) location.href = root + chords[event.key];
    else if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
    before = event.key;
  });

  // Commands are copied with one press.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    const was = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = was; }, 1500);
  });

  // The page asks again by itself; when nobody answers, it says so and greys what it shows.
  const EVERY = 30000;
  const again = async () => {
    if (document.hidden || !one("#live")) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const busy = one("#live").contains(document.activeElement) && document.activeElement.matches("input, select, .bar");
      if (!busy) {
        const closed = all(".group:not([open]) summary").map((summary) => summary.textContent), words = one(".filter input[type=search]")?.value;
        one("#live").replaceWith(one("#live", fresh));
        all(".group").forEach((group) => { if (closed.includes(one("summary", group).textContent)) group.open = false; });
        if (words) { one(".filter input[type=search]").value = words; filter(); }
        tidy();
      }
      one("footer p").replaceWith(one("footer p", fresh));
      one(".lost").hidden = true;
      document.body.classList.remove("lost-now");
    } catch {
      one(".lost").hidden = false;
      document.body.classList.add("lost-now");
    }
  };
  setInterval(again, EVERY);
  tidy();
})();
