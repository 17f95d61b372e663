// The form's rules: those without effect under the chosen others are put away, and opened groups stay open.
(() => {
  const opened = new Map();
  const holds = (form, condition) => {
    const [name, wanted] = condition.split("=");
    const value = form.elements[name].value.trim().toLowerCase();
    return wanted === undefined ? !["", "off", "none"].includes(value) : value === wanted;
  };
  const settle = () => {
    const form = document.getElementById("run-form");
    if (!form) return;
    for (const field of form.querySelectorAll("[data-only-if]")) {
      const isIdle = !field.dataset.onlyIf.split(" ").some((condition) => holds(form, condition));
      // What is wrong must be seen, whatever the others say.
      field.hidden = isIdle && !field.classList.contains("wrong");
    }
  };
  document.addEventListener("input", settle);
  document.addEventListener("change", settle);
  document.addEventListener("toggle", (event) => opened.set(event.target.id, event.target.open), true);
  document.addEventListener("htmx:after:swap", () => {
    for (const group of document.querySelectorAll("details.rule-group")) {
      if (opened.get(group.id)) group.open = true;
    }
    settle();
  });
  settle();
})();
