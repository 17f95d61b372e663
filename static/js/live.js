// A live page: says when its connection is lost, and polls where no stream comes through. htmx does the connecting.
(() => {
  const FIRST_MS = 6000; // the server sends its first event at once
  const QUIET_MS = 20000; // later ones may be rare: then the server is asked whether there is news
  const POLL_MS = 2000;
  const note = (id, isShown) => {
    const element = document.getElementById(id);
    if (element) element.hidden = !isShown;
  };
  const feed = () => document.querySelector("#run-feed[data-news]");
  let hasHeard = false;
  let heardAt = performance.now();
  let isPolling = false;

  const heard = () => { hasHeard = true; heardAt = performance.now(); };
  document.addEventListener("htmx:sse:error", () => { if (!isPolling) note("run-connection", true); });
  document.addEventListener("htmx:sse:after:connection", () => note("run-connection", false));
  document.addEventListener("htmx:sse:after:message", heard);
  document.addEventListener("visibilitychange", () => { heardAt = performance.now(); });

  const address = () => {
    const element = feed();
    const rows = document.querySelectorAll("#results tbody tr[data-sequence]");
    const last = rows.length ? rows[rows.length - 1].dataset.sequence : "0";
    const wantsRows = element.dataset.rows !== "none";
    return element.dataset.news + (wantsRows ? `?after=${last}` : "");
  };
  const isNews = (answer) => {
    const shown = document.getElementById("run-status");
    const bar = document.querySelector("#run-progress progress");
    return answer.headers.get("X-Run-News") !== `${shown.dataset.status} ${bar.getAttribute("value")}`;
  };
  const poll = async () => {
    if (!feed()) { note("run-polling", false); return; }
    if (!document.hidden) {
      try { await htmx.ajax("GET", address(), { source: feed(), swap: "none" }); } catch { /* the next one may be answered */ }
    }
    setTimeout(poll, POLL_MS);
  };
  const startPolling = () => {
    // Without the connector, what a proxy has held back cannot add its rows a second time.
    const plain = feed().cloneNode(false);
    plain.removeAttribute("hx-sse:connect");
    plain.removeAttribute("hx-trigger");
    feed().replaceWith(plain);
    isPolling = true;
    note("run-connection", false);
    note("run-polling", true);
    poll();
  };
  const watch = async () => {
    const element = feed();
    if (!element || isPolling) return;
    const silent = performance.now() - heardAt;
    if (!document.hidden && silent > (hasHeard ? QUIET_MS : FIRST_MS)) {
      try {
        const answer = await fetch(address(), { headers: { "HX-Request": "true" } });
        if (answer.ok && feed() && performance.now() - heardAt >= silent && (!hasHeard || isNews(answer))) {
          startPolling();
          return;
        }
        if (answer.ok) heardAt = performance.now();
      } catch { /* the server is away; htmx goes on trying */ }
    }
    setTimeout(watch, 1000);
  };
  watch();

  // What has not changed stays as it is: a button that is pressed, and what a screen reader has read out.
  // The page is read before htmx marks what it has seen.
  const shown = new Map();
  for (const element of document.querySelectorAll("[id^='run-']")) {
    shown.set(element.id, element.outerHTML.split("\n").map((line) => line.trim()).join(""));
  }
  let atControlsAt = -Infinity;
  document.addEventListener("htmx:before:swap", (event) => {
    if (document.activeElement?.closest("#run-controls")) atControlsAt = performance.now();
    const tasks = event.detail.tasks ?? [];
    const moved = tasks.filter((task) => {
      const id = task.type === "partial" && task.swapSpec.style === "outerHTML" && task.target?.id;
      if (!id) return true;
      const box = document.createElement("div");
      box.append(task.fragment.cloneNode(true));
      if (shown.get(id) === box.innerHTML) return false;
      shown.set(id, box.innerHTML);
      return true;
    });
    tasks.splice(0, tasks.length, ...moved);
  });

  // Whoever has pressed Pause on the keyboard finds Resume where Pause was, not at the top of the page. Several swaps may
  // be under way: which of them has taken the button away does not matter.
  document.addEventListener("htmx:after:swap", () => {
    if (performance.now() - atControlsAt < 1000 && document.activeElement === document.body) {
      (document.querySelector("#run-controls button") ?? document.getElementById("main")).focus({ preventScroll: true });
    }
  });

  document.addEventListener("click", (event) => {
    const question = event.target.closest("[popover] button[form]")?.closest("[popover]");
    if (question) setTimeout(() => question.hidePopover());
  });
})();
