// Says when the connection of a live page is lost, and when it is back. htmx does the connecting.
(() => {
  const show = (isLost) => {
    const note = document.getElementById("run-connection");
    if (note) note.hidden = !isLost;
  };
  document.addEventListener("htmx:sse:error", () => show(true));
  document.addEventListener("htmx:sse:after:connection", () => show(false));
})();
