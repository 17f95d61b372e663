// The bell: notes which finished runs and answers of schedules were on the screen, and tells of others where somebody has asked for it.
(() => {
  const read = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const keep = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private windows may refuse */ } };
  const isPossible = "Notification" in window;
  const isOn = () => isPossible && Notification.permission === "granted" && read("tell-when-done") === "yes";

  const showSwitches = () => {
    for (const button of document.querySelectorAll("[data-notify]")) {
      button.hidden = !isPossible;
      button.setAttribute("aria-pressed", String(isOn()));
    }
    for (const box of document.querySelectorAll("[data-notify-box]")) {
      box.closest(".field").hidden = !isPossible;
      box.checked = isOn();
    }
  };
  const turn = async (isWanted) => {
    if (isWanted && isPossible && Notification.permission === "default") await Notification.requestPermission();
    keep("tell-when-done", isWanted ? "yes" : "no");
    showSwitches();
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-notify]")) turn(!isOn());
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-notify-box]")) turn(event.target.checked);
  });

  const tell = () => {
    const told = new Set((read("told-runs") ?? "").split(" "));
    for (const run of document.querySelectorAll("#bell [data-run]")) {
      if (told.has(run.dataset.run)) continue;
      told.add(run.dataset.run);
      if (document.hidden && isOn()) {
        const shown = new Notification("Trawl", { body: run.dataset.told, tag: run.dataset.run });
        shown.addEventListener("click", () => { window.focus(); location.assign(run.querySelector("a").href); });
      }
    }
    keep("told-runs", [...told].slice(-100).join(" "));
  };

  let seen = "";
  const say = async (address) => {
    const token = document.querySelector("main [name=csrfmiddlewaretoken]").value;
    try {
      const answer = await fetch(address, { method: "POST", headers: { "X-CSRFToken": token } });
      if (answer.status === 204) htmx.trigger("#bell", "seen");
    } catch { /* the server is away: the bell rings for what was seen, which is no harm */ }
  };
  const see = () => {
    const answer = document.querySelector("[data-outcome-seen]");
    if (answer && !document.hidden && seen !== "answer") {
      seen = "answer";
      say(answer.dataset.outcomeSeen);
    }
    const page = document.getElementById("run-page");
    const status = document.getElementById("run-status")?.dataset.status;
    if (!page || document.hidden || seen === status) return;
    seen = status;
    if (status === "complete" || status === "cancelled") say(page.dataset.seen);
  };
  document.addEventListener("htmx:after:swap", () => { tell(); see(); });
  document.addEventListener("visibilitychange", see);
  showSwitches();
  see();
})();
