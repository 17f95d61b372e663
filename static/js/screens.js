// The answer of a screen: stops its charts and goes on with them, and hides what was shown on demand.
(() => {
  const stop = document.querySelector("[data-stop-charts]");
  document.querySelector("[data-without-script]")?.remove();
  const streaming = document.getElementById("screen-feed")?.cloneNode(false);
  const address = streaming?.getAttribute("hx-sse:connect");

  const stopped = () => {
    // A stream whose element is gone ends with its next message, which is dropped.
    const place = document.createElement("div");
    place.id = "screen-feed";
    document.getElementById("screen-feed").replaceWith(place);
    stop.textContent = "Go on";
  };
  const resumed = () => {
    const feed = streaming.cloneNode(false);
    feed.setAttribute("hx-sse:connect", `${address}&after=${document.getElementById("chart-progress").dataset.batch}`);
    document.getElementById("screen-feed").replaceWith(feed);
    htmx.process(feed);
    stop.textContent = "Stop";
  };

  if (stop) {
    stop.hidden = false;
    stop.addEventListener("click", () => {
      if (document.getElementById("screen-feed").hasAttribute("hx-sse:connect")) stopped();
      else resumed();
    });
    document.addEventListener("htmx:after:swap", () => {
      if (document.querySelector("#screen-feed[data-ended]")) stop.hidden = true;
    });
  }
  document.addEventListener("click", (event) => {
    const row = event.target.closest("[data-hide-charts]")?.closest("tr");
    if (!row) return;
    row.replaceChildren();
    row.previousElementSibling.querySelector("button").focus();
  });
})();
